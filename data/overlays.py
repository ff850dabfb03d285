"""A picture to look at: images, their masks in the colours of the classes, and both on top of each other."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dataset.folder import Folder
from dataset.samples import Sample
from utils.decoding.decode import read_pixels
from utils.labels import IGNORE
from utils.pictures.segmentations import colour, save, sheet, tile

NUMBER, SIDE, SHARE = 8, 220, 0.55  # overlays, longer side in pixels, weight of the mask on the image


def chosen(counts: np.ndarray, number: int = NUMBER) -> list[int]:
    """Positions of images that together show as many labels as can be, the rarest ones first.

    Args:
        counts: pixels of each label in each image, (N, 256).
    """
    shown = counts > 0
    usual = shown.sum(axis=0)
    rarity = (shown / np.maximum(usual, 1)).copy()
    rarity[:, IGNORE] = 0
    picked: list[int] = []
    for _ in range(min(number, len(counts))):
        scores = rarity.sum(axis=1) + 1e-9 * counts[:, :IGNORE].astype(bool).sum(axis=1)
        scores[picked] = -1
        picked.append(int(scores.argmax()))
        rarity[:, shown[picked[-1]]] *= 0.1  # what is there already counts little
    return sorted(picked)


def write(dataset: Folder, samples: Sequence[Sample], path: Path) -> None:
    """Image, mask and overlay of each of `samples`, two to a row, and the legend, as PNG in `path`.

    Raises:
        BadFileError: if one of them cannot be read.
    """
    cells, seen = [], set()
    for sample in samples:
        image, labels = read_pixels(sample.image, dataset.pictures), dataset.read_labels(sample)
        seen |= set(map(int, np.unique(labels)))
        mask = colour(labels, dataset.palette)
        mixed = np.where((labels == IGNORE)[..., None], image, image * (1 - SHARE) + mask * SHARE).astype(
            np.uint8
        )
        cells.append([tile(image, SIDE, smooth=True), tile(mask, SIDE), tile(mixed, SIDE, smooth=True)])
    rows = [left + right for left, right in zip(cells[::2], cells[1::2], strict=False)] or [cells[0]]
    titles = ["image", "mask", "overlay"] * (len(rows[0]) // 3)
    names = {label: dataset.class_names[label] for label in sorted(seen - {IGNORE})}
    entries = [(name, tuple(map(int, dataset.palette[label]))) for label, name in names.items()]
    if IGNORE in seen:
        entries.append(("void", tuple(map(int, dataset.palette[IGNORE]))))
    save(
        sheet(rows, titles, entries, caption=f"{dataset.name}: does every colour lie on what its name says?"),
        path,
    )
