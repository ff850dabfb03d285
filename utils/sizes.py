"""Sizes as people write them."""

import re

UNITS = {"MB": 1e-3, "GB": 1.0, "TB": 1e3}


def size(text: str | float) -> float:
    """Gigabytes (1e9 bytes) that "20", "20GB", "500 MB" or "1.5TB" mean.

    Raises:
        ValueError: for anything else; also below 0.
    """
    found = re.fullmatch(r"\s*(\d+\.?\d*(?:e[+-]?\d+)?)\s*([MGT]B)?\s*", str(text), re.IGNORECASE)
    if not found:
        raise ValueError(f"{text} is no size: write 20GB, 500MB or 20 (GB)")
    return float(found[1]) * UNITS[(found[2] or "GB").upper()]
