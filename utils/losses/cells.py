"""From pixels to the cells of the features: a cell's first pixel, that at its centre, bilinear reduction.

All look at few pixels, at most four per cell, and up-sample logits there alone. At stride 16 that is 1/64 of
the work of doing it everywhere.
"""

from functools import lru_cache

import torch
from torch import Tensor

from utils.losses.upsampling import upsampling_matrix


class Cells:
    """The cells (h, w) of features of images (H, W).

    Args:
        size: (H, W) of labels. cells: (h, w) of the features. device: of both.
    """

    def __init__(self, size: tuple[int, int], cells: tuple[int, int], device: torch.device):
        self.size, self.cells = tuple(size), tuple(cells)
        pairs = list(zip(self.size, self.cells, strict=True))
        self._nearest = [_nearest(*pair, device) for pair in pairs]
        self._centres = [_centres(*pair, device) for pair in pairs]
        self._corners = [_corners(*pair, device) for pair in pairs]

    def nearest(self, maps: Tensor) -> Tensor:  # (N, ..., H, W)
        """The pixel that `F.interpolate(mode="nearest")` takes, a cell's first: (N, ..., h, w)."""
        rows, columns = self._nearest
        return maps.index_select(-2, rows).index_select(-1, columns)

    def nearest_logits(self, small: Tensor) -> Tensor:  # (N, C, h', w') -> (N, C, h, w)
        """The same of logits that are to be up-sampled bilinearly to (H, W)."""
        return self._upsampled(small, *self._nearest)

    def centre(self, maps: Tensor) -> Tensor:  # (N, ..., H, W)
        """The pixel half a stride from each cell's corner: rows and columns 8, 24, 40, ... at stride 16."""
        rows, columns = self._centres
        return maps.index_select(-2, rows).index_select(-1, columns)

    def centre_logits(self, small: Tensor) -> Tensor:  # (N, C, h', w') -> (N, C, h, w)
        """The same of logits that are to be up-sampled bilinearly to (H, W)."""
        return self._upsampled(small, *self._centres)

    def corners(self, maps: Tensor) -> Tensor:  # (N, ..., H, W) -> (N, ..., 2h, 2w)
        """The four pixels of each cell that `reduce` weighs."""
        (rows, _), (columns, _) = self._corners
        return maps.index_select(-2, rows).index_select(-1, columns)

    def corner_logits(self, small: Tensor) -> Tensor:  # (N, C, h', w') -> (N, C, 2h, 2w)
        """The same of logits that are to be up-sampled bilinearly to (H, W)."""
        (rows, _), (columns, _) = self._corners
        return self._upsampled(small, rows, columns)

    def reduce(self, masks: Tensor, dtype: torch.dtype) -> Tensor:  # (N, ..., 2h, 2w) -> (N, ..., h, w)
        """What `F.interpolate(mode="bilinear")` makes of masks (N, ..., H, W), given their `corners`."""
        (_, high), (_, across) = self._corners
        weighted = masks * (high[:, None] * across).to(dtype)
        (h, w) = self.cells
        return weighted.unflatten(-1, (w, 2)).unflatten(-3, (h, 2)).sum((-1, -3))

    def _upsampled(self, small: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        down, across = (
            upsampling_matrix(few, many, small).index_select(0, index)
            for few, many, index in zip(small.shape[-2:], self.size, (rows, columns), strict=True)
        )
        return down @ small @ across.T


@lru_cache(maxsize=32)
def _nearest(large: int, small: int, device: torch.device) -> Tensor:
    """Index of the first pixel of each of `small` cells (small,)."""
    return torch.arange(small, device=device) * large // small


@lru_cache(maxsize=32)
def _centres(large: int, small: int, device: torch.device) -> Tensor:
    """Index of the pixel at the centre of each of `small` cells (small,), the later one of two."""
    return (2 * torch.arange(small, device=device) + 1) * large // (2 * small)


@lru_cache(maxsize=32)
def _corners(large: int, small: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Index and weight of the two pixels that linear interpolation to each cell reads (2 small,)."""
    cell = torch.arange(small, dtype=torch.float64, device=device)
    place = ((cell + 0.5) * (large / small) - 0.5).clamp(min=0)
    low = place.floor()
    index = torch.stack([low, (low + 1).clamp(max=large - 1)], dim=1).long()
    return index.flatten(), torch.stack([1 - (place - low), place - low], dim=1).flatten()
