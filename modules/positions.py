"""Sine positions of the cells of a map."""

import math

import torch
from torch import Tensor


def sine_positions(height: int, width: int, channels: int, like: Tensor) -> Tensor:
    """Encoding (D, h, w) of every cell: half of the channels for its row, then half for its column.

    Of the n = D/2 values of cell k, number i is the sine (i even) or cosine (i odd) of
    2 pi (k + 1) / (size + 1e-6) / 10000^(2 floor(i / 2) / n). In float32, as published (Mask2Former); `like`
    gives type and device of the result.
    """
    half = channels // 2
    pairs = torch.arange(half, device=like.device, dtype=torch.float32).div(2, rounding_mode="floor")
    periods = 10000 ** (2 * pairs / half)
    encoded = []
    for size in (height, width):
        cells = torch.arange(1, size + 1, device=like.device, dtype=torch.float32)
        angles = (2 * math.pi * cells / (size + 1e-6))[:, None] / periods  # (size, n)
        even = torch.arange(half, device=like.device) % 2 == 0
        encoded.append(torch.where(even, angles.sin(), angles.cos()))
    rows = encoded[0].T[:, :, None].expand(-1, -1, width)
    columns = encoded[1].T[:, None, :].expand(-1, height, -1)
    return torch.cat([rows, columns]).to(like.dtype)
