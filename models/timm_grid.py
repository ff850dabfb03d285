"""To what size images are brought for a timm model, so that its cells cover them and none is cut off."""

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

TRIAL = (5, 7)  # cells; odd, so that windows and halves do not fit by chance


@dataclass(frozen=True)
class Grid:
    """Sizes that a model divides into whole cells, with nothing left over.

    Args:
        unit: height and width that images must be multiples of; (0, 0) if only the model's own size will do.
        own: height and width that the model was built for.
        margin: rows and columns beyond a multiple of `unit` that convolutions without padding use up.
    """

    unit: tuple[int, int]
    own: tuple[int, int]
    margin: int = 0

    def fit(self, images: Tensor) -> Tensor:  # (N, 3, H, W)
        """`images` of the nearest size upwards that is all cells.

        Resized, so that up-sampled logits stay in place; the margin, on whose pixels no cell is centred, is
        padded.
        """
        size = tuple(images.shape[-2:])
        fit = self.own
        if self.unit != (0, 0):
            fit = tuple(side + -side % unit for side, unit in zip(size, self.unit, strict=True))
        if fit != size:
            images = F.interpolate(images, size=fit, mode="bilinear", align_corners=False, antialias=True)
        if self.margin:
            before, after = self.margin // 2, self.margin - self.margin // 2
            images = F.pad(images, (before, after, before, after), mode="replicate")
        return images


def find_grid(
    cells: Callable[[tuple[int, int]], tuple[int, int]],
    *,
    stride: int,
    patch: tuple[int, int],
    own: tuple[int, int],
    centred: bool = False,
) -> Grid:
    """The grid of a model, by trying odd sizes.

    Many models take images that are no multiple of their stride, and then leave the last rows and columns
    out: a multiple of the stride is right for all that take it.

    Args:
        cells: height and width of the features of images of a size; raises RuntimeError, AssertionError or
            ValueError for sizes that the model does not take.
        stride: of the features. patch: of the first layer, for models whose features have no whole stride.
        own: size that the model was built for; it always fits.
        centred: whether cells are centred on pixels as in DeepLab's ResNets. If such a model has a cell for
            one last pixel, it leaves nothing out and takes every size as it is, 513 for instance.
    """
    if centred and rounds_up(cells, stride):
        return Grid((1, 1), own)
    for unit in ((stride, stride), patch):
        sides = tuple(u * (n * stride // u) for n, u in zip(TRIAL, unit, strict=True))
        try:
            margin = margin_of(cells, sides, stride) if unit == (stride, stride) else 0
            if cells(tuple(side + margin for side in sides)) == TRIAL:
                return Grid(unit, own, margin)
        except (RuntimeError, AssertionError, ValueError):
            continue
    return Grid((0, 0), own)


def rounds_up(cells: Callable, stride: int) -> bool:
    """Whether any pixels more than whole cells give one cell more."""
    try:
        return all(
            cells(tuple(stride * n + more for n in TRIAL)) == tuple(n + 1 for n in TRIAL)
            for more in {1, stride // 2, stride - 1}
        )
    except (RuntimeError, AssertionError, ValueError):  # halo attention takes whole blocks only
        return False


def margin_of(cells: Callable, sides: tuple[int, int], stride: int) -> int:
    """Fewest pixels beyond `sides` that give as many cells as these should have; mostly none."""

    def enough(margin: int) -> bool:
        return all(map(int.__ge__, cells(tuple(side + margin for side in sides)), TRIAL))

    low, high = -1, 0
    while not enough(high) and high < 4 * stride:
        low, high = high, max(1, 2 * high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
