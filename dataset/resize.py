"""Resizing of pictures as torchvision does it, bit for bit, from the one function of PyTorch that it calls.

Importing torchvision costs each process that loads images two seconds, and this is all they need of it.
"""

import platform
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor


def resize(image: Tensor, height: int, width: int) -> Tensor:  # uint8 (3, H, W) -> (3, height, width)
    """`image` at another size: bilinear with antialiasing; memory stays laid out as it is."""
    if tuple(image.shape[-2:]) == (height, width):
        return image
    batch = image[None]
    if batch.is_contiguous(memory_format=torch.channels_last):
        # Of a single image PyTorch cannot tell that its layout is channels-last, and repacks the result,
        # unless the stride of the batch says so (github.com/pytorch/pytorch/issues/68430).
        batch = batch.as_strided(batch.shape, (image.numel(), *image.stride()))
    return _interpolate(batch, height, width)[0]


def shorter_side(height: int, width: int, side: int) -> tuple[int, int]:
    """Height and width with the shorter of both at `side` and the other in proportion, rounded down."""
    longer = int(side * max(height, width) / min(height, width))
    return (side, longer) if height <= width else (longer, side)


def _interpolate(batch: Tensor, height: int, width: int) -> Tensor:
    options = {"size": [height, width], "mode": "bilinear", "align_corners": False, "antialias": True}
    if _works_on_bytes():
        return F.interpolate(batch, **options)
    return F.interpolate(batch.float(), **options).round_().to(batch.dtype)


@cache
def _works_on_bytes() -> bool:
    """Whether this processor has PyTorch's fast form for uint8; elsewhere that one is slower than float32."""
    return torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512") or platform.machine() in (
        "aarch64",
        "arm64",
    )
