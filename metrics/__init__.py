"""Confusion matrix, every number that is reported, and the files they are kept in."""
