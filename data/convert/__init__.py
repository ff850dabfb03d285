"""Annotations of other kinds, and pictures that are too large, as index PNGs that training reads."""
