"""Activated batch norm that saves less for the backward pass: only what the next layer saves anyway.

A norm's backward pass needs its normalised input. With an invertible activation it can be recovered from the
norm's output (in-place ABN, Rota Bulo et al., CVPR 2018), which the next convolution saves as its input. The
output of the last norm of a residual block is added to the shortcut instead. But the activated sum is the
next block's input, and the shortcut is this block's input: their difference is that norm's output.

    plain        12 w per bottleneck (w: one map of the width of its 3x3 convolution)
    LeanABN      10 w
    LeanBlock     6 w
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from modules.abn import ABN, SLOPE, joint_moments
from modules.residual import ResidualBlock
from utils.distributed import all_reduce_sum, is_distributed


class LeanABN(ABN):
    """`ABN` that recovers its input from its output; leaky ReLU with a positive slope, or no activation."""

    def __init__(self, num_features: int, **options):
        super().__init__(num_features, **options)
        invertible = self.activation == "identity" or (self.activation == "leaky_relu" and self.slope > 0)
        assert invertible, f"{self.activation} of slope {self.slope} cannot be inverted"

    def forward(self, x: Tensor) -> Tensor:  # (N, C, ...)
        """What `ABN` computes, from the same parameters and buffers."""
        slope = self.slope if self.activation == "leaky_relu" else 1.0
        if not (self.training and torch.is_grad_enabled() and x.numel() > x.shape[1]):
            return super().forward(x)  # with fixed statistics F.batch_norm saves nothing
        return self.normalise(x, None, slope)

    def add(self, x: Tensor, shortcut: Tensor, slope: float) -> Tensor:  # (N, C, h, w) twice
        """leaky_relu(norm(x) + shortcut); slope 1 is no activation."""
        if not (self.training and torch.is_grad_enabled() and x.numel() > x.shape[1]):
            return F.leaky_relu_(super().forward(x) + shortcut, slope)
        return self.normalise(x, shortcut, slope)

    def normalise(self, x: Tensor, shortcut: Tensor | None, slope: float) -> Tensor:
        """In training, with whatever precision `x` has."""
        statistics = (self.running_mean, self.running_var, self.momentum, self.eps)
        return _LeanNorm.apply(x, shortcut, self.scale(), self.bias, slope, *statistics)


class _LeanNorm(torch.autograd.Function):
    """leaky_relu(batch_norm(x) + shortcut) over all processes; saves the output and the shortcut."""

    @staticmethod
    def forward(ctx, x, shortcut, scale, bias, slope, running_mean, running_var, momentum, eps):
        if is_distributed():
            mean, var, count = joint_moments(x, eps)
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_((var * (count / (count - 1))).to(running_var.dtype), momentum)
            inverse = (var + eps).rsqrt()
            y = F.batch_norm(x, mean, var, scale, bias, False, 0.0, eps)
        else:
            count = x.numel() // x.shape[1]
            y, _, inverse = torch.native_batch_norm(
                x, scale, bias, running_mean, running_var, True, momentum, eps
            )
        if shortcut is not None:
            y = y + shortcut
        y = F.leaky_relu_(y, slope) if slope != 1 else y
        ctx.save_for_backward(y, shortcut, scale, bias, inverse)
        ctx.slope, ctx.count, ctx.dtype = slope, count, x.dtype
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        y, shortcut, scale, bias, inverse = ctx.saved_tensors
        if ctx.slope != 1:
            grad = torch.ops.aten.leaky_relu_backward(grad, y, ctx.slope, True)
            y = F.leaky_relu(y, 1 / ctx.slope)
        if shortcut is not None:
            y = y - shortcut
        # xhat, then the backward pass of a norm whose input already has mean 0 and deviation 1.
        shape = (-1, *[1] * (y.dim() - 2))
        xhat = torch.addcmul((-bias / scale).view(shape), y, (1 / scale).view(shape)).to(grad.dtype)
        zeros, ones = torch.zeros_like(inverse), torch.ones_like(inverse)
        training = not is_distributed()
        dx, dscale, dbias = torch.ops.aten.native_batch_norm_backward(
            grad, xhat, scale * inverse, zeros, ones, zeros, ones, training, 0.0, [True, True, True]
        )
        if not training:
            mean_xhat, mean_dy = all_reduce_sum(torch.stack([dscale, dbias])) / ctx.count
            factor = scale * inverse
            dx -= torch.addcmul((factor * mean_dy).view(shape), xhat, (factor * mean_xhat).view(shape))
        to_shortcut = None if shortcut is None else grad.to(shortcut.dtype)
        return dx.to(ctx.dtype), to_shortcut, dscale, dbias, *[None] * 5


class LeanBlock(ResidualBlock):
    """Residual block whose last norm, a `LeanABN`, is recovered from the block's output and its shortcut.

    If the input is projected, the projection's norm saves its output: only one of the two summands can be
    recovered from the sum.
    """

    def added(self, x: Tensor, slope: float) -> Tensor:
        """leaky_relu(residual + shortcut), in one function."""
        shortcut = self.proj_bn(self.proj_conv(x)) if self.projects else x
        *layers, norm = self.convs
        for layer in layers:
            x = layer(x)
        return norm.add(x, shortcut, slope)

    def forward(self, x: Tensor) -> Tensor:
        return self.added(x, SLOPE)

    def with_map(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Output, and the sum before the activation, for distillation."""
        total = self.added(x, 1.0)
        return F.leaky_relu(total, SLOPE), total
