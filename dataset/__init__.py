"""Datasets, which of their images and labels a step sees, and how batches are made of them."""
