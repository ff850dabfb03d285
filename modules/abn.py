"""Activated batch norm, as the published in-place kernels compute it, in plain PyTorch."""

from collections.abc import Callable
from functools import partial

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from utils.distributed import all_reduce_sum, is_distributed, world_size

SLOPE = 0.01  # of every leaky ReLU of the published networks

# In place is safe: the backward pass of a norm reads its input, never its output.
ACTIVATIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "leaky_relu": F.leaky_relu_,
    "elu": F.elu_,
    "identity": lambda x, slope: x,
}


class ABN(nn.Module):
    """Batch norm with a positive scale, then an activation: act((|w| + eps) * xhat + b).

    The published ImageNet weights were trained with in-place ABN, whose kernels have this affine part and the
    scale |w| + eps. With several processes the statistics are synchronised.

    Args:
        num_features: channels C.
        activation: "leaky_relu", "elu" or "identity".
        slope: of the leaky ReLU for negative values; alpha of ELU.
        eps: added to the variance and to the scale.
        momentum: weight of a batch in the running statistics.
        signed: scale by w itself, as the published `abn` kind does (an ordinary batch norm).
    """

    def __init__(
        self,
        num_features: int,
        *,
        activation: str = "leaky_relu",
        slope: float = SLOPE,
        eps: float = 1e-5,
        momentum: float = 0.1,
        signed: bool = False,
    ):
        super().__init__()
        self.folded = False  # True: folded into the convolution before it, only the activation is left
        assert activation in ACTIVATIONS, f"no activation {activation}"
        self.num_features, self.activation, self.slope = num_features, activation, slope
        self.eps, self.momentum, self.signed = eps, momentum, signed
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def scale(self) -> Tensor:
        """Scale of the normalised input (C)."""
        if self.signed:
            return self.weight
        # leaky_relu(-w, -1) is |w| with gradient +1 at w = 0, as in the kernels; abs has gradient 0 there.
        return F.leaky_relu(-self.weight, -1.0) + self.eps

    def forward(self, x: Tensor) -> Tensor:  # (N, C, ...)
        """Same shape. Training uses batch statistics and updates the running ones."""
        if self.folded:
            return ACTIVATIONS[self.activation](x, self.slope)
        training, statistics = self.training, (self.running_mean, self.running_var)
        if training and is_distributed():
            y = _SyncedNorm.apply(x, self.scale(), self.bias, *statistics, self.momentum, self.eps)
        else:
            # Differs from MiB, which fails on one value per channel (image pooling of a single image): it has
            # no variance, so it is normalised with the running statistics, which are not updated.
            training = training and x.numel() > x.shape[1]
            y = F.batch_norm(x, *statistics, self.scale(), self.bias, training, self.momentum, self.eps)
        return ACTIVATIONS[self.activation](y, self.slope)

    def extra_repr(self) -> str:
        return f"{self.num_features}, activation={self.activation}, eps={self.eps}"

    def _load_from_state_dict(self, state_dict, prefix, *args):
        state_dict.pop(f"{prefix}num_batches_tracked", None)  # a counter of later in-place ABN versions
        super()._load_from_state_dict(state_dict, prefix, *args)


# Ordinary batch norm and ReLU, for heads behind timm bodies.
bn_relu = partial(ABN, signed=True, slope=0.0)


class _SyncedNorm(torch.autograd.Function):
    """Batch norm over the batches of all processes, of any sizes and on any backend.

    Equals one process with the concatenated batch. The gradients of scale and bias stay local sums, because
    DistributedDataParallel averages them.
    """

    @staticmethod
    def forward(ctx, x, scale, bias, running_mean, running_var, momentum, eps):
        mean, var, count = joint_moments(x, eps)
        running_mean.lerp_(mean.to(running_mean.dtype), momentum)
        running_var.lerp_((var * (count / (count - 1))).to(running_var.dtype), momentum)
        ctx.save_for_backward(x, scale, mean, var, count)
        ctx.eps = eps
        return F.batch_norm(x, mean, var, scale, bias, False, 0.0, eps)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        x, scale, mean, var, count = ctx.saved_tensors
        inverse = (var + ctx.eps).rsqrt()
        # With constant statistics: scale/sigma * dy, sum(dy * xhat) and sum(dy), in one fused kernel ...
        dx, dscale, dbias = torch.ops.aten.native_batch_norm_backward(
            grad, x, scale, mean, var, mean, inverse, False, ctx.eps, [True, True, True]
        )
        # ... minus the gradient through the statistics: scale/sigma * (mean(dy) + xhat * mean(dy * xhat)).
        mean_xhat, mean_dy = all_reduce_sum(torch.stack([dscale, dbias])) / count
        factor = scale * inverse
        dx -= F.batch_norm(x, mean, var, factor * mean_xhat, factor * mean_dy, False, 0.0, ctx.eps)
        return dx, dscale, dbias, None, None, None, None


def joint_moments(x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (C), biased variance (C) and values per channel () over all processes, at least float32."""
    if x.is_cuda:  # one fused pass, accumulated in float32 also for 16-bit inputs
        mean, inverse = torch.batch_norm_stats(x, eps)
        var = inverse.pow(-2) - eps
    else:
        precise = x if x.dtype == torch.float64 else x.float()
        var, mean = torch.var_mean(precise, [0, *range(2, x.dim())], correction=0)
    own = torch.cat([mean, var, mean.new_tensor([x.numel() // x.shape[1]])])
    gathered = [torch.empty_like(own) for _ in range(world_size())]
    dist.all_gather(gathered, own)
    gathered = torch.stack(gathered)  # (processes, 2C + 1)
    means, variances, counts = gathered.split([x.shape[1], x.shape[1], 1], dim=1)
    shares = counts / counts.sum()
    mean = (shares * means).sum(0)
    var = (shares * (variances + (means - mean).square())).sum(0)
    return mean, var, counts.sum()
