"""Choosing images so that the shares of their classes come near wanted ones."""

from collections.abc import Mapping, Sequence

import numpy as np


def choose_by_shares(
    counts: Mapping[str, Sequence[float]], target: Sequence[float], number: int, *,
    start: Sequence[float] | None = None,
) -> tuple[list[str], np.ndarray]:  # fmt: skip
    """Names of `number` images, chosen one by one, and how often they show each class (BalConpas).

    Each is the one that brings the sum of |shares of the chosen - target| lowest, the first of equals.

    Args:
        counts: what each image shows, (C,) by name. target: wanted share of each class.
        start: counts to begin with, of images chosen before; they are part of the result.
    """
    names, left = list(counts), np.array([counts[name] for name in counts], dtype=float)
    target = np.asarray(target, dtype=float)
    found = np.zeros(len(target)) if start is None else np.asarray(start, dtype=float)
    chosen: list[str] = []
    while names and len(chosen) < number:
        after = found + left
        shares = after / np.maximum(after.sum(1, keepdims=True), 1e-12)
        best = int(np.abs(shares - target).sum(1).argmin())
        found = after[best]
        chosen.append(names.pop(best))
        left = np.delete(left, best, axis=0)
    return chosen, found
