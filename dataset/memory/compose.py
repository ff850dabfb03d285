"""Composition: stored instances of old classes pasted into new images (EIR, arXiv 2503.22136), on tensors.

Each image has a few square cells. The classes that the teacher predicts in it and that its labels do not show
determine the instances; each is scaled to its cell and mixed with the image, and the targets are mixed
likewise. Everything but the shapes of the instances stays on the images' device.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from utils.labels import BACKGROUND, IGNORE

NUM_CELLS = 3  # instances that are pasted into one image, at most


@dataclass(frozen=True)
class Paste:
    """A pasted instance: image of the batch, class, corner of the cell in pixels, share in the mix."""

    image: int
    label: int
    top: int
    left: int
    share: float


class Draws(Protocol):
    """The random draws of a composition."""

    labels: list[int]  # classes that instances can be drawn of

    def extra_label(self) -> int:
        """One of `labels`."""

    def instance(self, label: int) -> tuple[Tensor, Tensor]:
        """An image (3, H', W') that shows an instance of class `label`, and where, bool (H', W')."""

    def share(self) -> float:
        """Share of the instance in the mix, in [0, 1]."""


def cell_size(side: int) -> int:
    """Side of the cells in images of `side` pixels: 250 at 512 as published, else in proportion."""
    return max(1, round(250 / 512 * side))


def emptiest_cells(labels: Tensor, cell: int, *, keep: int = NUM_CELLS) -> Tensor:  # (N, H, W)
    """The `keep` cells with most background or ignored pixels, best first.

    Cells tile the image from its top left corner; the remainder is left out, ties go to the upper left.
    Returns (N, keep, 3): top, left, number of those pixels.
    """
    rows, columns = labels.shape[1] // cell, labels.shape[2] // cell
    free = (labels == BACKGROUND) | (labels == IGNORE)
    free = free[:, : rows * cell, : columns * cell].reshape(-1, rows, cell, columns, cell)
    free = free.sum((2, 4)).flatten(1)  # (N, cells)
    best = free.argsort(dim=1, descending=True, stable=True)[:, :keep]  # (N, keep)
    corners = [torch.div(best, columns, rounding_mode="floor") * cell, best % columns * cell]
    return torch.stack([*corners, free.gather(1, best)], dim=2)


def missing_labels(labels: Tensor, pseudo: Tensor) -> Tensor:  # (N, H, W) both
    """Classes in the pseudo-labels of each image that are not in its labels, bool (N, 256)."""
    return presence(pseudo) & ~presence(labels)


def presence(labels: Tensor) -> Tensor:  # (N, H, W)
    """Labels that occur in each map, bool (N, 256)."""
    found = torch.zeros(labels.shape[0], 256, dtype=torch.bool, device=labels.device)
    return found.scatter_(1, labels.flatten(1).long(), True)


def one_hot(labels: Tensor, num_classes: int, *, dtype: torch.dtype = torch.float32) -> Tensor:  # (N, H, W)
    """Targets (N, C, H, W) of `labels`; all zero at ignored pixels."""
    channels = torch.arange(num_classes, device=labels.device).view(1, -1, 1, 1)
    return (labels.unsqueeze(1) == channels).to(dtype)


def fit(mask: Tensor, cell: int) -> tuple[Tensor, Tensor]:  # bool (H', W')
    """Rows and columns that show the bounding box of `mask` at the size at which it just fits into a cell.

    Nearest neighbours; the aspect is kept. Both are empty if the box is less than two pixels high or wide.
    """
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    if len(rows) == 0 or rows[-1] == rows[0] or columns[-1] == columns[0]:
        return rows[:0], columns[:0]
    (top, bottom), (left, right) = rows[[0, -1]].tolist(), columns[[0, -1]].tolist()
    scale = min(cell / (right - left + 2), cell / (bottom - top + 2))
    return top + _nearest(bottom - top + 1, scale), left + _nearest(right - left + 1, scale)


def _nearest(length: int, scale: float) -> Tensor:
    """Index of the source pixel of each pixel of a line of `length` pixels enlarged by `scale`."""
    index = torch.arange(int(length * scale), dtype=torch.float32) * (1 / scale)
    return index.long().clamp(max=length - 1)


def mix(image: Tensor, target: Tensor, instance: Tensor, mask: Tensor, *, paste: Paste, cell: int) -> None:
    """Mix an instance into `image` (3, H, W) and its class into `target` (C, H, W), both in place.

    x <- M (share x_inst + (1 - share) x) + (1 - M) x, and the target likewise with the one-hot of the class.
    `instance` (3, H', W') may be of any size, `mask` bool (H', W') is where it shows its class.
    """
    rows, columns = fit(mask, cell)
    device = image.device
    weight = paste.share * mask[rows][:, columns].to(device).to(image.dtype)  # (h, w)
    patch = instance[:, rows.to(device)][:, :, columns.to(device)].to(image.dtype)  # (3, h, w)
    height, width = weight.shape
    image = image[:, paste.top : paste.top + height, paste.left : paste.left + width]
    target = target[:, paste.top : paste.top + height, paste.left : paste.left + width]
    image += weight * (patch - image)
    target *= 1 - weight
    target[paste.label] += weight


def compose(
    images: Tensor,
    labels: Tensor,
    pseudo: Tensor,
    draws: Draws,
    *,
    num_classes: int,
    cell: int,
    spread: bool = False,
) -> tuple[Tensor, Tensor, list[Paste]]:  # (N, 3, H, W), (N, H, W), (N, H, W)
    """Images with instances pasted in, their soft targets (N, C, H, W), and what was pasted where.

    The first three missing classes of an image go to its three emptiest cells. With less than two such
    classes, classes at random fill up to three instances, all in the emptiest cell unless `spread`. A class
    of which `draws` has no instance is left out. Later instances mix with earlier ones; targets start as the
    one-hot `pseudo`.
    """
    images, targets = images.clone(), one_hot(pseudo, num_classes, dtype=images.dtype)
    if not draws.labels:
        return images, targets, []
    cells = emptiest_cells(pseudo, cell)
    facts = torch.cat([cells.flatten(1), missing_labels(labels, pseudo)], dim=1)
    facts = facts.tolist()  # the only synchronisation with the device
    pastes = []
    for number, row in enumerate(facts):
        corners = [row[3 * k : 3 * k + 2] for k in range(cells.shape[1])]
        missing = [label for label, found in enumerate(row[3 * len(corners) :]) if found][:NUM_CELLS]
        wanted = list(zip(missing, corners, strict=False))
        if len(missing) < 2:
            # Differs from EIR: every class with instances may be drawn, the last old one, too.
            places = corners[len(missing) :] if spread else corners[:1] * (NUM_CELLS - len(missing))
            wanted += [(draws.extra_label(), corner) for corner in places]
        for label, (top, left) in wanted:
            if label in draws.labels:
                instance, mask = draws.instance(label)
                pastes.append(Paste(number, label, top, left, draws.share()))
                mix(images[number], targets[number], instance, mask, paste=pastes[-1], cell=cell)
    return images, targets, pastes
