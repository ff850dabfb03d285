"""Losses and their parts: pure functions of tensors."""
