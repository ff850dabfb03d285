"""Bilinear up-sampling as two matrix products, for those who need a part of it, or its transpose."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor


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
