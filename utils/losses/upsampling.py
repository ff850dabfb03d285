"""Bilinear up-sampling as two matrix products, for computing a part of it, or its transpose."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

# Up-sampled values per band: on a CPU as many as fit its cache, on a GPU enough to keep it busy.
ELEMENTS_CPU, ELEMENTS_GPU = 2**18, 2**26


def portion(channels: int, size: tuple[int, int], device: torch.device) -> tuple[int, int]:
    """Number of images, and of rows of each, to up-sample to `size` (H, W) at a time."""
    height, width = size
    budget = ELEMENTS_CPU if device.type == "cpu" else ELEMENTS_GPU
    images = max(1, budget // (channels * height * width))
    return images, max(1, min(height, budget // (channels * width * images)))


def bands(small: int, large: int, rows: int) -> Iterator[tuple[slice, slice]]:
    """Bands of `rows` of the `large` output rows, each with the input rows it is interpolated from."""
    for top in range(0, large, rows):
        bottom = min(top + rows, large)
        low = int((top + 0.5) * small / large - 0.5) - 1  # with a margin of one row on either side
        high = int((bottom - 0.5) * small / large - 0.5) + 3
        yield slice(top, bottom), slice(max(0, low), min(small, high))


@contextmanager
def exact_products() -> Iterator[None]:
    """Context of full float32 matrix products, also if TF32 is allowed for the network."""
    matmul = torch.backends.cuda.matmul
    before, matmul.fp32_precision = matmul.fp32_precision, "ieee"
    try:
        yield
    finally:
        matmul.fp32_precision = before


def upsampling_matrix(small: int, large: int, like: Tensor, *, align_corners: bool = False) -> Tensor:
    """Linear interpolation from `small` to `large` samples (large, small), as `F.interpolate` does it.

    Rows and columns are separate: up-sampling X (h, w) to (H, W) is A X B^T with A (H, h) and B (W, w).
    `like` gives dtype and device.
    """
    return _matrix(small, large, align_corners, like.dtype, like.device)


@lru_cache(maxsize=32)
def _matrix(small: int, large: int, align_corners: bool, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False), torch.no_grad():
        eye = torch.eye(small, dtype=dtype, device=device)
        return F.interpolate(eye[None], size=large, mode="linear", align_corners=align_corners)[
            0
        ].T.contiguous()
