"""The residual block of the published in-place-ABN ResNets."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from modules.abn import ABN, SLOPE
from modules.conv3x3 import Conv3x3


class ResidualBlock(nn.Module):
    """Basic block (two 3x3 convolutions) or bottleneck (1x1, 3x3, 1x1), added to the input and activated.

    The stride sits on the first 3x3 convolution. The input is projected where stride or channels change.

    Args:
        in_channels: channels of the input.
        channels: outputs of the two or three convolutions.
        stride, dilation: of the 3x3 convolutions.
        norm: called as `norm(channels)` and `norm(channels, activation="identity")`.
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int],
        *,
        stride: int = 1,
        dilation: int = 1,
        norm: Callable[..., nn.Module] = ABN,
    ):
        super().__init__()
        inputs = [in_channels, *channels[:-1]]
        wide, narrow = partial(Conv3x3, dilation=dilation), partial(nn.Conv2d, kernel_size=1)
        kinds = [wide, wide] if len(channels) == 2 else [narrow, wide, narrow]
        strides = [stride, 1] if len(channels) == 2 else [1, stride, 1]
        self.convs = nn.Sequential()
        for k, (rows, columns) in enumerate(zip(channels, inputs, strict=True)):
            last = k == len(channels) - 1
            conv = kinds[k](columns, rows, stride=strides[k], bias=False)
            self.convs.add_module(f"conv{k + 1}", conv)
            self.convs.add_module(f"bn{k + 1}", norm(rows, activation="identity") if last else norm(rows))
        self.projects = stride != 1 or in_channels != channels[-1]
        if self.projects:
            self.proj_conv = nn.Conv2d(in_channels, channels[-1], 1, stride=stride, bias=False)
            self.proj_bn = norm(channels[-1], activation="identity")

    def residual(self, x: Tensor) -> Tensor:  # (N, B, H, W) -> (N, C, h, w)
        """What the block adds to its input."""
        return self.convs(x)

    def total(self, x: Tensor) -> Tensor:
        """Sum of residual and shortcut, before the activation."""
        shortcut = self.proj_bn(self.proj_conv(x)) if self.projects else x
        return self.residual(x) + shortcut

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu_(self.total(x), SLOPE)

    def with_map(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Output, and the map for distillation: the sum before the activation (PLOP)."""
        total = self.total(x)
        return F.leaky_relu(total, SLOPE), total  # not in place, so that the map stays as it is


def stage(
    block: Callable[..., nn.Module],
    in_channels: int,
    channels: Sequence[int],
    *,
    depth: int,
    stride: int,
    dilation: int,
    norm: Callable[..., nn.Module],
) -> nn.Sequential:
    """`depth` blocks named block1, block2, ...; the first one strides, all are dilated."""
    blocks = OrderedDict()
    for number in range(1, depth + 1):
        blocks[f"block{number}"] = block(in_channels, channels, stride=stride, dilation=dilation, norm=norm)
        in_channels, stride = channels[-1], 1
    return nn.Sequential(blocks)
