"""Local POD: distances between strip means of two networks' squared maps (PLOP, CVPR 2021, section 3.2).

Pooling is linear, so it is the difference a^2 - b^2 of teacher and student that is pooled into strips, once.
The published code has further poolings and distances, which none of its scripts uses.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from utils.compile import compilable
from utils.losses.pixelwise import at_least_float32

SCALES = (1, 2, 4)


@compilable
def pod(
    old_maps: Sequence[Tensor], maps: Sequence[Tensor], factors: Sequence[float], *, schedule: float = 1.0
) -> Tensor:
    """Mean over maps of factor * schedule * (mean distance over images): a scalar, at least float32.

    `old_maps` and `maps` are the teacher's and the student's (N, C, h, w), from the body's first stage to the
    logits; `schedule` is `pod_schedule`'s. A map whose factor is 0 or below still counts in the mean.
    """
    total = at_least_float32(maps[0]).new_zeros(())
    for old, new, factor in zip(old_maps, maps, factors, strict=True):
        if factor > 0:
            total = total + factor * schedule * pod_distance(old, new).mean()
    return total / len(factors)


def pod_schedule(num_seen: int, num_new: int) -> float:
    """sqrt(C / C_new), which all layers are multiplied by (published `use_pod_schedule`, always on)."""
    return math.sqrt(num_seen / num_new)


def pod_distance(old: Tensor, new: Tensor) -> Tensor:  # (N, C_old, h, w), (N, C, h, w)
    """L2 distance of the strip means of the two squared maps of each image, (N,), with gradient 0 at 0.

    Raises:
        ValueError: if the maps are too small to be cut into the regions of the finest scale.
    """
    if new.shape[1] != old.shape[1]:
        new = fold_extra_channels(new, old.shape[1])
    sums, width = strip_sums(_SquaredDifference.apply(new, old), SCALES), new.shape[-1]
    # A norm of norms never squares large numbers, and torch defines its gradient at 0 as 0.
    parts = [(part.flatten(1), 1 / (width // scale)) for scale in SCALES for part in sums[scale]]
    norms = [torch.linalg.vector_norm(part, dim=1) * weight for part, weight in parts]
    return torch.linalg.vector_norm(torch.stack(norms), dim=0)


class _SquaredDifference(torch.autograd.Function):
    """b^2 - a^2 in at least float32; the backward pass reads only b, in its own precision."""

    @staticmethod
    def forward(ctx, new, old):
        ctx.save_for_backward(new)
        old_wide, new_wide = at_least_float32(old), at_least_float32(new)
        return (new_wide - old_wide).mul_(new_wide + old_wide)  # no cancellation where the maps are close

    @staticmethod
    def backward(ctx, grad):
        (new,) = ctx.saved_tensors
        return (grad * new).mul_(2).to(new.dtype), None


def fold_extra_channels(maps: Tensor, num_old: int) -> Tensor:  # (N, C, h, w)
    """The first `num_old` channels, with all further ones added to channel 0, the background's."""
    background = maps[:, :1] + maps[:, num_old:].sum(1, keepdim=True)
    return torch.cat([background, maps[:, 1:num_old]], dim=1)


def strip_sums(maps: Tensor, scales: Sequence[int]) -> dict[int, tuple[Tensor, Tensor]]:  # (N, C, h, w)
    """Sums over the columns and over the rows of every region, by scale s; divided by w // s they are means.

    A region is k x k pixels with k = w // s, so remainders on the right and below are left out. For each s
    the sums over columns are (N, C, s*k, s), those over rows (N, C, s, s*k). Sums instead of means, because
    their backward pass only expands small tensors.

    Raises:
        ValueError: if a region would be empty.
    """
    height, width = maps.shape[-2:]
    sums: dict[int, tuple[Tensor, Tensor]] = {}
    for scale in sorted(scales, reverse=True):
        side = width // scale
        used = scale * side
        # Differs from PLOP, where such maps end in NaN and a failed assertion.
        if side == 0 or height <= used - side:
            raise ValueError(
                f"POD cannot cut a map of {height}x{width} into {scale}x{scale} regions: train with larger, "
                "square crops"
            )
        # Where the regions of a finer scale tile these, their sums are added up.
        finer = next((s for s in sums if s % scale == 0 and s * (width // s) == used <= height), None)
        if finer:
            across, down = sums[finer]
            sums[scale] = across.unflatten(3, (scale, -1)).sum(4), down.unflatten(2, (scale, -1)).sum(3)
        else:
            cropped = maps[:, :, :used, :used]
            sums[scale] = cropped.unflatten(3, (scale, side)).sum(4), _row_block_sums(cropped, scale, side)
    return sums


def _row_block_sums(maps: Tensor, blocks: int, side: int) -> Tensor:  # (N, C, h, w), h <= blocks * side
    """Sums over blocks of `side` rows, (N, C, blocks, w).

    The border may cut the last block short; its sum is then that of as many rows with the same mean.
    """
    if maps.shape[2] == blocks * side:
        return maps.unflatten(2, (blocks, side)).sum(3)
    full = (blocks - 1) * side
    whole = [maps[:, :, :full].unflatten(2, (blocks - 1, side)).sum(3)] if full else []
    return torch.cat([*whole, maps[:, :, full:].mean(2, keepdim=True) * side], dim=2)
