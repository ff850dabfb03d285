"""Large photos in parts that overlap, so that the network's memory does not grow with the photo."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from torch import Tensor

from analysis.trained import Trained
from dataset.transform import resize_labels

MARGIN = 8  # a part sees this fraction of its side beyond what is kept of it
LONGEST = 3  # sides of a crop that a part of a photo seen whole may be long


@dataclass
class Seen:
    """What a network says of a photo.

    Attributes:
        predicted: model index of each pixel, uint8 (h, w). counts, probability: per model index its pixels
            and the sum of their largest probabilities.
    """

    predicted: ndarray
    counts: ndarray
    probability: ndarray


def look(trained: Trained, photo: Tensor, *, side: int = 0) -> Seen:  # uint8 (3, H, W)
    """What `trained` says of `photo`.

    Args:
        side: 0 to see the photo whole, at the scale of training (shorter side = crop); else it is cut into
            parts of `side` pixels, each seen like a photo of its own, and the answer has the photo's size.
    """
    if side == 0:
        photo = trained.view(photo)
        limit = LONGEST * trained.data.crop_size
    else:
        limit = side
    height, width = photo.shape[1:]
    seen = Seen(np.zeros((height, width), np.uint8), np.zeros(256, np.int64), np.zeros(256))
    for rows, kept_rows in spans(height, limit):
        for columns, kept_columns in spans(width, limit):
            part = photo[:, rows, columns]
            size = tuple(part.shape[1:])
            predicted, unsure = (
                values[0] for values in trained.predict((trained.view(part) if side else part)[None])
            )
            predicted = resize_labels(predicted, size)[kept_rows, kept_columns].numpy()
            sure = 1 - resize_labels(unsure, size)[kept_rows, kept_columns].numpy()
            top, left = rows.start + kept_rows.start, columns.start + kept_columns.start
            seen.predicted[top : top + predicted.shape[0], left : left + predicted.shape[1]] = predicted
            seen.counts += np.bincount(predicted.ravel(), minlength=256)
            seen.probability += np.bincount(predicted.ravel(), sure.ravel(), minlength=256)
    return seen


def spans(length: int, limit: int) -> Iterator[tuple[slice, slice]]:
    """Parts of at most `limit` of `length` pixels, all of one size, and what is kept of each.

    What is kept covers every pixel once; where two parts meet, each keeps its half of what both see.
    """
    if length <= limit:
        yield slice(0, length), slice(0, length)
        return
    number = -(-(length - limit) // max(1, limit - 2 * (limit // MARGIN))) + 1
    starts = [round(place * (length - limit) / (number - 1)) for place in range(number)]
    seams = [
        0,
        *((before + limit + after) // 2 for before, after in zip(starts, starts[1:], strict=False)),
        length,
    ]
    for start, first, last in zip(starts, seams, seams[1:], strict=False):
        yield slice(start, start + limit), slice(first - start, last - start)
