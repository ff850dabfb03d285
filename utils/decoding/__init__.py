"""Picture files to arrays and tensors: what is read right, and what is refused by name."""
