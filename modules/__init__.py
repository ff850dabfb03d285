"""Building blocks of the networks: norms, residual and Swin blocks, heads, classifiers."""
