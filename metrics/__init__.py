"""Confusion matrix, every number that is reported, and the files they are kept in."""

from metrics.confusion import ConfusionMatrix
from metrics.reported import scores

__all__ = ["ConfusionMatrix", "scores"]
