"""Ours against the textbook form, in one run: `python -m scripts.benchmark --help`."""
