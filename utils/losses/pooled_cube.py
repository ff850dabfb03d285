"""Pooled cube distillation (RCIL, Zhang et al., CVPR 2022): squared maps, averaged in cubes, compared.

The published code pools both maps with six window sizes and keeps all results for autograd. Pooling is
linear, so the difference of the squares is pooled once; a square window is separable; and the gradient of the
norm has a closed form, so it is computed with the value, and only the gradient is kept.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from utils.losses.pixelwise import at_least_float32
from utils.losses.pod import fold_extra_channels

WINDOWS = (4, 8, 12, 16, 20, 24)  # sides of the spatial windows, in cells
Pool = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]  # a linear map and its adjoint


def pooled_cube_distillation(
    old: Sequence[Tensor], new: Sequence[Tensor], *, spatial: Sequence[float], channel: Sequence[float]
) -> tuple[Tensor, Tensor]:  # maps (N, C, h, w) of teacher and student; the last ones are the logits
    """Spatial and channel part of the loss, both scalars, in at least float32.

    L_spatial = 1/L sum_l f_l 1/6 sum_k mean_n || P_k(A_l^2 - B_l^2) ||_F over all L maps,
    L_channel = 1/(L-1) sum_l g_l mean_n || Q(A_l^2 - B_l^2) ||_F over all but the logits,
    with P_k the mean over k x k cells and Q that over 3 neighbouring channels. The student's logits of new
    classes are added to its background first. Norms are those of a whole map, not divided by its size.

    Args:
        old: maps A of the teacher.
        new: maps B of the student.
        spatial: factors f, one per map.
        channel: factors g, one per map but the last.
    """
    assert len(old) == len(new) == len(spatial) == len(channel) + 1
    new = [*new[:-1], fold_extra_channels(new[-1], old[-1].shape[1])]
    pairs = [(at_least_float32(a), at_least_float32(b)) for a, b in zip(old, new, strict=True)]
    differences = [a.square() - b.square() for a, b in pairs]
    along_space = [f * spatial_distance(d) for f, d in zip(spatial, differences, strict=True)]
    along_channels = [g * channel_distance(d) for g, d in zip(channel, differences[:-1], strict=True) if g]
    zero = differences[0].new_zeros(())
    return sum(along_space) / len(old), sum(along_channels, zero) / (len(old) - 1)


def spatial_distance(difference: Tensor) -> Tensor:  # (N, C, h, w)
    """Mean over windows and images of the norm of the pooled `difference`; a scalar."""
    return MeanNorm.apply(difference, [square_window(side) for side in WINDOWS])


def channel_distance(difference: Tensor) -> Tensor:  # (N, C, h, w)
    """Mean over images of the norm of `difference`, averaged over neighbouring channels; a scalar."""
    return MeanNorm.apply(difference, [(neighbours, neighbours)])


def square_window(side: int) -> Pool:
    """Mean over windows of an even `side`, half of it as padding, and the adjoint."""
    return partial(box, side=side, padding=side // 2), partial(box, side=side, padding=side // 2 - 1)


def box(x: Tensor, *, side: int, padding: int) -> Tensor:  # (N, C, h, w)
    """Mean over `side` x `side` cells at stride 1, zeros around: (N, C, h + 2 * padding - side + 1, ...)."""
    x = F.avg_pool2d(x, (side, 1), stride=1, padding=(padding, 0))
    return F.avg_pool2d(x, (1, side), stride=1, padding=(0, padding))


def neighbours(x: Tensor) -> Tensor:  # (N, C, h, w)
    """Mean over each channel and the two beside it, zeros beyond the ends; its own adjoint."""
    out = x.clone()
    out[:, 1:] += x[:, :-1]
    out[:, :-1] += x[:, 1:]
    return out.div_(3)


class MeanNorm(torch.autograd.Function):
    """Mean over pools and images of || pool(x_n) ||_F, with gradient 0 where the norm is 0."""

    @staticmethod
    def forward(ctx, x: Tensor, pools: list[Pool]) -> Tensor:
        total, gradient = x.new_zeros(()), torch.zeros_like(x)
        for pool, adjoint in pools:
            pooled = pool(x)
            norms = torch.linalg.vector_norm(pooled, dim=(1, 2, 3), keepdim=True)  # (N, 1, 1, 1)
            total += norms.mean()
            if ctx.needs_input_grad[0]:
                gradient += adjoint(pooled.div_(norms.clamp(min=torch.finfo(x.dtype).tiny)))
        ctx.save_for_backward(gradient.div_(len(pools) * x.shape[0]))
        return total / len(pools)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        return grad * ctx.saved_tensors[0], None
