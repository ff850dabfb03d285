"""Which images to show: those on which the steps of a run disagree most, and on different classes."""

import copy
from collections.abc import Sequence

import numpy as np
from numpy import ndarray

from analysis.commands import progress
from analysis.runs import Run
from dataset.images import StepImages
from utils.labels import IGNORE

COARSE = 128  # longest side of the compared label maps, in pixels


def choose(runs: Sequence[Run], images: StepImages, count: int, *, candidates: int) -> list[int]:
    """Indices of the `count` most instructive of `images`.

    Args:
        runs: whose predictions are compared: between the steps of a run if it has several, else between all
            checkpoints; a single checkpoint is compared with the ground truth.
        images: labelled with all classes. candidates: how many of them are evaluated, evenly spaced.
    """
    rows = np.unique(np.linspace(0, len(images) - 1, min(candidates, len(images))).round().astype(int))
    some = copy.copy(images)
    some.samples = [images.samples[row] for row in rows]
    truths: list[ndarray] = []
    maps: dict[str, list[tuple[int, list[ndarray]]]] = {}
    for run in runs:
        for trained in run.steps():
            predicted, truths = [], []
            for batch, labels in progress(trained.loader(some), f"{run.name} step {trained.step.index}"):
                predicted += [coarse(one) for one in trained.predict(batch)[0].numpy()]
                truths += [coarse(one) for one in labels.numpy()]
            maps.setdefault(run.name, []).append((trained.step.num_seen, predicted))
    groups = [steps for steps in maps.values() if len(steps) > 1] or [
        [one for steps in maps.values() for one in steps]
    ]
    if len(groups[0]) == 1:
        groups[0].append((IGNORE, truths))
    shares = [
        sum(disagreement(truth, [(seen, predicted[place]) for seen, predicted in steps]) for steps in groups)
        for place, truth in enumerate(truths)
    ]
    return [int(rows[place]) for place in diverse(np.stack(shares), count)]


def coarse(labels: ndarray) -> ndarray:
    """Every k-th pixel of `labels`, so that the longest side is at most COARSE."""
    every = -(-max(labels.shape) // COARSE)
    return labels[::every, ::every].copy()


def disagreement(truth: ndarray, maps: Sequence[tuple[int, ndarray]]) -> ndarray:
    """Share of the pixels on which `maps` disagree, by true class, (256,).

    Args:
        truth: model indices (h, w), IGNORE where unlabelled.
        maps: (classes learned, predicted indices (h, w)); pixels of classes not learned yet do not count.
    """
    low, high = np.full(truth.shape, 255, np.uint8), np.zeros(truth.shape, np.uint8)
    for num_seen, predicted in maps:
        known = truth < num_seen
        low = np.where(known, np.minimum(low, predicted), low)
        high = np.where(known, np.maximum(high, predicted), high)
    differ = (low < high) & (truth != IGNORE)
    return np.bincount(truth[differ], minlength=256) / truth.size


def diverse(shares: ndarray, count: int) -> list[int]:  # (images, classes)
    """Rows of `shares` with large entries in many columns, chosen greedily by the sum of square roots."""
    total, chosen = np.zeros(shares.shape[1]), []
    for _ in range(min(count, len(shares))):
        gain = (np.sqrt(total + shares) - np.sqrt(total)).sum(1)
        gain[chosen] = -1
        chosen.append(int(gain.argmax()))
        total += shares[chosen[-1]]
    return chosen
