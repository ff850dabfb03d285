"""Local POD: distances between strip means of two networks' squared maps (PLOP, CVPR 2021, section 3.2).

Pooling is linear, so it is the difference a^2 - b^2 of teacher and student that is pooled into strips, once.
The published code also has other poolings and distances, which none of its scripts uses; `Layer` holds them
all, with the scripts' choices as defaults.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from utils.compile import compilable

SCALES = (1, 2, 4)
PREPARE = {"pow": torch.square, "relu": F.relu, "none": lambda maps: maps}


@dataclass(frozen=True)
class Layer:
    """How one map is compared; the defaults are those of every published script.

    Args:
        factor: weight of the layer; at 0 or below it contributes nothing, but still counts in the mean.
        pooling: "local" (strips of regions), "spatial" (sums over rows and over columns), or "global" (the
            same after average pooling).
        scales: regions per axis, one entry per scale.
        prepare: what happens to a map first: "pow" (square), "relu" or "none".
        extra_channels: channels that only the student has are added to channel 0 ("sum") or left out
            ("trim").
        per_scale: strips of scale s count "equal", divided by s^2 ("area"), or as in spatial pyramids
            ("spm").
        normalise: L2-normalise the strips of each image.
        distance: "l2" or "l1".
    """

    factor: float
    pooling: str = "local"
    scales: tuple[int, ...] = SCALES
    prepare: str = "pow"
    extra_channels: str = "sum"
    per_scale: str = "equal"
    normalise: bool = False
    distance: str = "l2"


@compilable
def pod(
    old_maps: Sequence[Tensor], maps: Sequence[Tensor], layers: Sequence[Layer], *, schedule: float = 1.0
) -> Tensor:
    """Mean over layers of factor * schedule * (mean distance over images): a scalar, at least float32.

    `old_maps` and `maps` are the teacher's and the student's (N, C, h, w), from the body's first stage to the
    logits, with one entry of `layers` each; `schedule` is `pod_schedule`'s.
    """
    assert len(old_maps) == len(maps) == len(layers), (
        "each layer needs a teacher's map, a student's and a Layer"
    )
    total = _wide(maps[0]).new_zeros(())
    for old, new, layer in zip(old_maps, maps, layers, strict=True):
        if layer.factor > 0:
            total = total + layer.factor * schedule * pod_distance(old, new, layer).mean()
    return total / len(layers)


def pod_schedule(num_seen: int, num_new: int) -> float:
    """sqrt(C / C_new), which all layers are multiplied by (published `use_pod_schedule`, always on)."""
    return math.sqrt(num_seen / num_new)


def pod_distance(old: Tensor, new: Tensor, layer: Layer) -> Tensor:  # (N, C_old, h, w), (N, C, h, w)
    """Distance of the two maps of each image, (N,); its gradient is 0 where the distance is 0.

    Raises:
        ValueError: if the maps are too small to be cut into the regions of the finest scale.
    """
    if new.shape[1] != old.shape[1]:
        new = fold_extra_channels(new, old.shape[1], layer.extra_channels)
    prepare = PREPARE[layer.prepare]
    if layer.normalise:  # the only option that is not linear
        pooled = [_pooled(prepare(_wide(maps)), layer) for maps in (new, old)]
        joined = [torch.cat([part * weight for part, weight in parts], dim=1) for parts in pooled]
        parts = [(F.normalize(joined[0]) - F.normalize(joined[1]), 1.0)]
    elif layer.prepare == "pow":
        parts = _pooled(_SquaredDifference.apply(new, old), layer)
    else:
        parts = _pooled(prepare(_wide(new)) - prepare(_wide(old)), layer)
    # A norm of norms never squares large numbers, and torch defines its gradient at 0 as 0.
    order = {"l1": 1, "l2": 2}[layer.distance]
    norms = [torch.linalg.vector_norm(part, ord=order, dim=1) * weight for part, weight in parts]
    return torch.linalg.vector_norm(torch.stack(norms), ord=order, dim=0)


class _SquaredDifference(torch.autograd.Function):
    """b^2 - a^2 in at least float32; the backward pass reads only b, in its own precision."""

    @staticmethod
    def forward(ctx, new, old):
        ctx.save_for_backward(new)
        old_wide, new_wide = _wide(old), _wide(new)
        return (new_wide - old_wide).mul_(new_wide + old_wide)  # no cancellation where the maps are close

    @staticmethod
    def backward(ctx, grad):
        (new,) = ctx.saved_tensors
        return (grad * new).mul_(2).to(new.dtype), None


def fold_extra_channels(maps: Tensor, num_old: int, how: str) -> Tensor:  # (N, C, h, w)
    """The first `num_old` channels; with "sum" the others are added to channel 0, the background's."""
    if how == "trim":
        return maps[:, :num_old]
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


def _pooled(maps: Tensor, layer: Layer) -> list[tuple[Tensor, float]]:  # (N, C, h, w)
    """Pooled vectors (N, ...) of prepared maps, linear in the maps, each with its weight."""
    if layer.pooling == "spatial":
        return [(maps.sum(3).flatten(1), 1.0), (maps.sum(2).flatten(1), 1.0)]
    if layer.pooling == "global":
        pooled = [F.avg_pool2d(maps, maps.shape[-1] // scale) for scale in layer.scales]
        return [(grid.sum(axis).flatten(1), 1.0) for grid in pooled for axis in (3, 2)]
    assert layer.pooling == "local", f"unknown pooling {layer.pooling}"
    weights, sums, width = _scale_weights(layer), strip_sums(maps, layer.scales), maps.shape[-1]
    return [(part.flatten(1), weights[s] / (width // s)) for s in layer.scales for part in sums[s]]


def _scale_weights(layer: Layer) -> dict[int, float]:
    """Weight of the strips of each scale."""
    if layer.per_scale == "area":
        return {scale: 1 / scale**2 for scale in layer.scales}
    if layer.per_scale == "spm":
        count = len(layer.scales)
        return {scale: 2.0 ** -(count - max(number, 1)) for number, scale in enumerate(layer.scales)}
    return dict.fromkeys(layer.scales, 1.0)


def _wide(maps: Tensor) -> Tensor:
    """At least float32: squares of 16-bit maps overflow or lose their digits."""
    return maps if maps.dtype == torch.float64 else maps.float()
