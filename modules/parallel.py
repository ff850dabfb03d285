"""Two parallel branches that are trained together and folded into one: RCIL's block and head.

A branch is a convolution and a norm without activation. In training each channel takes one branch, the other,
or their mean, at random; in evaluation their mean, which a single convolution with bias computes as well.
Names are those of the published checkpoints: `conv2`, `bn2` and `map_convs`, `map_bn` are branch 1, the same
with `_new` are branch 2.
"""

import re
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.abn import ABN, SLOPE
from modules.conv3x3 import Conv3x3
from modules.deeplab import DILATIONS, DeepLabV3Head, parallel_convs
from modules.residual import ResidualBlock

NEW = "_new"
SHARES = (0.33, 0.66)  # draws below the first take branch 1, below the second branch 2, the others the mean


def mix(first: Tensor, second: Tensor, draws: Tensor) -> Tensor:  # (N, C, h, w) twice, (1, C, 1, 1) in [0, 1)
    """Channel by channel branch 1, branch 2, or their mean (RCIL's drop path), the same for all images."""
    one, two = SHARES
    share = torch.where(draws < one, 1.0, torch.where(draws < two, 0.0, 0.5))  # of branch 1
    return torch.lerp(second, first, share.to(first, non_blocking=True))


def fold(conv: nn.Conv2d, norm: ABN, rows: slice, *, share: float = 0.5) -> tuple[Tensor, Tensor]:
    """Kernel and bias, in float64, of the convolution that computes share * norm(conv(x)) of evaluation mode.

    `rows` are the channels of `norm` that belong to `conv`.
    """
    scale = share * norm.scale().double()[rows] / (norm.running_var.double()[rows] + norm.eps).sqrt()
    bias = share * norm.bias.double()[rows] - norm.running_mean.double()[rows] * scale
    if conv.bias is not None:
        bias = bias + scale * conv.bias.double()
    return scale.view(-1, 1, 1, 1) * conv.weight.double(), bias


class TwoBranches(nn.Module):
    """Base of block and head: two branches with one norm each.

    Attributes:
        merged: branch 1 holds merged branches: its convolutions have biases, its norm is skipped.
        single: both branches are folded into branch 1 for inference; branch 2 is removed.
    """

    CONVS, NORM = "map_convs", "map_bn"
    merged = False
    single = False
    draw = staticmethod(torch.rand)  # from the CPU generator, which every process seeds alike: equal masks

    def place(self) -> nn.Module:
        """The module that holds the branches' layers."""
        return self

    def kernels(self, which: str = "") -> list[nn.Conv2d]:
        """Convolutions of branch 1, or of branch 2 (`NEW`)."""
        convs = getattr(self.place(), self.CONVS + which)
        return list(convs) if isinstance(convs, nn.ModuleList) else [convs]

    def branch(self, which: str = "") -> tuple[list[nn.Conv2d], ABN]:
        """Convolutions and norm of branch 1, or of branch 2 (`NEW`)."""
        return self.kernels(which), getattr(self.place(), self.NORM + which)

    def branches(self, x: Tensor) -> tuple[Tensor, Tensor]:  # (N, B, h, w) -> (N, C, h, w) twice
        """Outputs of both branches."""
        (convs, norm), (new_convs, new_norm) = self.branch(), self.branch(NEW)
        first = joined(convs, x)
        return first if self.merged else norm(first), new_norm(joined(new_convs, x))

    def mixed(self, x: Tensor) -> Tensor:  # (N, B, h, w) -> (N, C, h, w)
        """Random mixture in training, mean in evaluation."""
        if self.single:
            return joined(self.kernels(), x)
        first, second = self.branches(x)
        if not self.training:
            return torch.lerp(first, second, 0.5)
        return mix(first, second, self.draw(1, first.shape[1], 1, 1))

    def add_biases(self) -> None:
        """Add biases to the convolutions of branch 1, for merging."""
        for conv in self.kernels():
            if conv.bias is None:
                conv.bias = nn.Parameter(conv.weight.new_zeros(conv.out_channels))

    def set_merged(self) -> None:
        """Take the layout of merged branches, before their weights are loaded."""
        self.add_biases()
        self.merged = True

    @torch.no_grad()
    def merge(self) -> None:
        """Branch 1 becomes the mean of both branches, its norm the identity. Branch 2 stays as it is."""
        self.add_biases()
        (convs, norm), (new_convs, new_norm) = self.branch(), self.branch(NEW)
        end = 0
        for conv, new_conv in zip(convs, new_convs, strict=True):
            rows = slice(end, end := end + conv.out_channels)
            weight, bias = fold(new_conv, new_norm, rows)
            if self.merged:
                # Differs from RCIL, whose identity norm adds eps again, a factor 1 + 5e-6 per step.
                folded = conv.weight.double() / 2, conv.bias.double() / 2
            else:
                folded = fold(conv, norm, rows)
            conv.weight.copy_(weight + folded[0])
            conv.bias.copy_(bias + folded[1])
        for ones, zeros in ((norm.weight, norm.bias), (norm.running_var, norm.running_mean)):
            ones.fill_(1)
            zeros.zero_()
        self.merged = True

    @torch.no_grad()
    def copy_merged(self) -> None:
        """Copy the merged branch 1 into branch 2, so that evaluation equals the teacher's.

        Its norm keeps bias and scale (at least 0.01); the running statistics are set so that the norm is the
        identity plus the merged bias.
        """
        convs, (new_convs, norm) = self.kernels(), self.branch(NEW)
        scale = norm.scale().clamp(min=0.01)
        norm.weight.copy_(scale - norm.eps)
        norm.running_var.copy_(scale.square() - norm.eps)
        norm.running_mean.copy_(norm.bias - torch.cat([conv.bias for conv in convs]))
        for conv, new_conv in zip(convs, new_convs, strict=True):
            new_conv.weight.copy_(conv.weight)

    def make_single(self) -> None:
        """Take the layout for inference: convolutions with biases, nothing else."""
        self.add_biases()
        for name in (self.NORM, self.CONVS + NEW, self.NORM + NEW):
            delattr(self.place(), name)
        self.single = True

    def _load_from_state_dict(self, state_dict, prefix, *args):
        # A checkpoint folded for inference has no branch 2: take its layout before the layers load.
        place = "" if self.place() is self else "convs."
        branch_2 = f"{prefix}{place}{self.CONVS}{NEW}."
        if not self.single and not any(key.startswith(branch_2) for key in state_dict):
            self.make_single()
        super()._load_from_state_dict(state_dict, prefix, *args)


class ParallelBlock(TwoBranches, ResidualBlock):
    """Residual block whose second convolution has two branches: a bottleneck's 3x3, a basic block's last one.

    Published for bottlenecks only; basic blocks are our extension. Further `options` are `ResidualBlock`'s.
    """

    CONVS, NORM = "conv2", "bn2"

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int],
        *,
        norm: Callable[..., nn.Module] = ABN,
        merged: bool = False,
        **options,
    ):
        super().__init__(in_channels, channels, norm=norm, **options)
        old = self.convs.conv2
        conv = Conv3x3(*old.weight.shape[1::-1], stride=old.stride, dilation=old.dilation)
        self.convs.bn2 = norm(
            channels[1], activation="identity"
        )  # the sum of the branches is activated instead
        self.convs.conv2_new, self.convs.bn2_new = conv, norm(channels[1], activation="identity")
        self.bottleneck = len(channels) == 3
        if merged:
            self.set_merged()

    def place(self) -> nn.Module:
        return self.convs

    def residual(self, x: Tensor) -> Tensor:
        convs = self.convs
        mixed = self.mixed(convs.bn1(convs.conv1(x)))
        return convs.bn3(convs.conv3(F.leaky_relu_(mixed, SLOPE))) if self.bottleneck else mixed

    def with_map(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Output, twice: RCIL distils the map after the (in-place) activation, PLOP the one before."""
        out = self(x)
        return out, out


class ParallelHead(TwoBranches, DeepLabV3Head):
    """DeepLabV3 head with two sets of parallel convolutions. Further `options` are `DeepLabV3Head`'s."""

    gain_slope = 1.0  # RCIL's norms have slope 1, so its Xavier gain is 1 where MiB's is 1.414

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        output_stride: int = 16,
        norm: Callable[..., nn.Module] = ABN,
        merged: bool = False,
        **options,
    ):
        super().__init__(in_channels, channels, output_stride=output_stride, norm=norm, **options)
        width = self.hidden_channels
        self.map_bn = norm(4 * width, activation="identity")
        self.map_convs_new = parallel_convs(in_channels, width, DILATIONS[output_stride])
        self.map_bn_new = norm(4 * width, activation="identity")
        self.reset_parameters()
        if merged:
            self.set_merged()

    def maps(self, x: Tensor) -> Tensor:
        return F.leaky_relu_(self.mixed(x), SLOPE)


def joined(convs: Sequence[nn.Conv2d], x: Tensor) -> Tensor:
    """Outputs of all convolutions, concatenated."""
    return torch.cat([conv(x) for conv in convs], dim=1) if len(convs) > 1 else convs[0](x)


def units(net: nn.Module) -> list[TwoBranches]:
    """All modules of `net` that have two branches."""
    return [module for module in net.modules() if isinstance(module, TwoBranches)]


def is_merged_bias(name: str) -> bool:
    """Whether the state dict key `name` is the bias of a merged convolution, which step 0 does not have."""
    return re.search(rf"\.({ParallelBlock.CONVS}|{ParallelHead.CONVS}\.\d+)\.bias$", name) is not None


def both_branches(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a network without branches, with those of its second convolutions in both branches."""
    doubled = rf"\.convs\.({ParallelBlock.CONVS}|{ParallelBlock.NORM})\."
    twins = {re.sub(doubled, rf".convs.\1{NEW}.", name): value for name, value in weights.items()}
    return weights | twins


def merge_for_inference(net: nn.Module) -> nn.Module:
    """Fold both branches of every unit of `net` into one convolution, in place; returns `net`.

    Evaluation computes the same (1e-6 in float32) at the cost of one branch. Training cannot go on.
    """
    for unit in units(net):
        if not unit.single:
            unit.merge()
            unit.make_single()
    return net
