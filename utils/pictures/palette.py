"""Colours for classes that have none: those that share borders in the pictures look most unlike, also to eyes
that do not tell red from green.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy import ndarray

from utils.labels import IGNORE

Colour = tuple[int, int, int]
LEVELS = (0, 51, 102, 153, 204, 255)  # of each channel of the colours to choose from
WHITE = (255, 255, 255)  # which the first colour is to be unlike
BORDERING = 2.0  # how many times as unlike the classes have to be that share all of a border
# What is seen of linear RGB: by most, without the long-wave and without the middle-wave cones.
# Source: Machado, Oliveira and Fernandes, IEEE TVCG 2009, severity 1.
VISIONS = np.array([
    np.eye(3),
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
])  # fmt: skip
# Linear RGB to cones, and roots of these to OKLab, in which distances are as seen (Ottosson 2020).
CONES = np.array([
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
])  # fmt: skip
OKLAB = np.array([
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
])  # fmt: skip


def seen(colours: ndarray) -> ndarray:  # uint8 (N, 3) -> (VISIONS, N, 3)
    """Each colour in OKLab, as each kind of eye sees it."""
    share = np.asarray(colours, float) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    visible = np.clip(linear @ VISIONS.swapaxes(1, 2), 0, 1)
    return np.cbrt(visible @ CONES.T) @ OKLAB.T


def unlike(one: ndarray, other: ndarray) -> ndarray:  # (A, 3), (B, 3) -> (A, B)
    """How unlike colours look to the eyes to which they look most alike; black and white are 1 apart."""
    difference = seen(one)[:, :, None] - seen(other)[:, None]
    return np.linalg.norm(difference, axis=-1).min(0)


def borders(maps: Iterable[ndarray], count: int) -> ndarray:
    """How many pairs of neighbouring pixels of label `maps` (H, W) are of classes i and j, (count, count)."""
    found = np.zeros((count, count))
    for labels in maps:
        labels = np.asarray(labels, np.int64)
        for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
            met = (one != other) & (one < count) & (other < count)
            found += np.bincount(one[met] * count + other[met], minlength=count**2).reshape(count, count)
    return found + found.T


def tell_apart(borders: ndarray, fixed: Mapping[int, Colour]) -> dict[int, Colour]:
    """A colour for every class, of which `fixed` gives some (IGNORE may be among them).

    One class after another, those with long borders first, gets the colour that is most unlike all that are
    taken, more so where the two share a border.
    """
    given = dict(fixed)
    candidates = np.array(np.meshgrid(LEVELS, LEVELS, LEVELS)).reshape(3, -1).T
    total = borders.sum(1)
    distances = unlike(candidates, np.array([*given.values()]).reshape(-1, 3))
    for label in sorted(set(range(len(borders))) - given.keys(), key=lambda one: (-total[one], one)):
        shares = np.array([borders[label, one] if one != IGNORE else 0 for one in given])
        needed = 1 + BORDERING * shares / max(1.0, total[label])
        unlikeness = distances / needed if given else unlike(candidates, np.array([WHITE]))
        best = candidates[unlikeness.min(1).argmax()]
        given[label] = tuple(int(value) for value in best)
        distances = np.hstack([distances, unlike(candidates, best[None])])
    return {label: given[label] for label in range(len(borders))}
