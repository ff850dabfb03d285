"""Benchmark of our implementations against the textbook forms: `python -m scripts.benchmark --help`."""
