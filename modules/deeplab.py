"""The DeepLabV3 head: parallel dilated convolutions and image pooling."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.abn import ABN, SLOPE
from modules.conv3x3 import Conv3x3
from modules.head import Head
from modules.norms import NORMS

# The third dilation at stride 8 is 32 in every published system, not 36 as in the paper.
DILATIONS = {16: (6, 12, 18), 8: (12, 24, 32)}


class DeepLabV3Head(Head):
    """Features for the classifiers from the body's output (Chen et al. 2017, as MiB runs it).

    A 1x1 and three dilated 3x3 convolutions, concatenated, normalised and reduced, plus a branch that sees
    the whole image; the sum passes a last norm with activation.

    Args:
        in_channels: channels B of the body.
        channels: channels D of the output.
        output_stride: stride of the body's output, 16 or 8; decides the dilations.
        pooling: window of the image pooling in evaluation, in cells, 0 for the whole map; training pools the
            whole map.
        norm: called as `norm(channels)`.
        hidden_channels: outputs of each parallel convolution, by default D.
    """

    gain_slope = SLOPE  # leaky ReLU slope that the initial weights are scaled for

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        output_stride: int = 16,
        pooling: int = 32,
        norm: Callable[..., nn.Module] = ABN,
        hidden_channels: int = 0,
    ):
        super().__init__()
        if output_stride not in DILATIONS:
            raise ValueError(f"output_stride can be 8 or 16, not {output_stride}")
        if pooling < 0:
            raise ValueError(f"pooling is the side of a window, or 0 for the whole map, not {pooling}")
        hidden = hidden_channels or channels
        self.out_channels, self.hidden_channels, self.pooling = channels, hidden, pooling
        self.map_convs = parallel_convs(in_channels, hidden, DILATIONS[output_stride])
        self.map_bn = norm(4 * hidden)
        self.global_pooling_conv = nn.Conv2d(in_channels, hidden, 1, bias=False)
        self.global_pooling_bn = norm(hidden)
        self.red_conv = nn.Conv2d(4 * hidden, channels, 1, bias=False)
        self.pool_red_conv = nn.Conv2d(hidden, channels, 1, bias=False)
        self.red_bn = norm(channels)
        self.reset_parameters()

    @classmethod
    def fitting(cls, body: nn.Module, parts) -> "DeepLabV3Head":
        options = {"output_stride": parts.output_stride, "pooling": parts.pooling, "norm": NORMS[parts.norm]}
        return cls(body.out_channels, body.head_channels, **options)

    def reset_parameters(self) -> None:
        """Initialise every convolution: Xavier normal, scaled for the activation."""
        gain = nn.init.calculate_gain("leaky_relu", self.gain_slope)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_normal_(module.weight, gain)

    def maps(self, x: Tensor) -> Tensor:  # (N, B, h, w) -> (N, 4 * hidden, h, w)
        """The parallel convolutions, concatenated, normalised and activated."""
        return self.map_bn(torch.cat([conv(x) for conv in self.map_convs], dim=1))

    def image(self, x: Tensor) -> Tensor:  # (N, B, h, w) -> (N, D, h, w) or (N, D, 1, 1)
        """The image pooling branch. Its layers are 1x1, so they run before the map is padded back."""
        height, width = x.shape[-2:]
        whole = self.training or not self.pooling
        window = (height, width) if whole else (min(self.pooling, height), min(self.pooling, width))
        if window == (height, width):
            pooled = x.mean((2, 3), keepdim=True)
        else:
            pooled = F.avg_pool2d(x, window, stride=1)
        pooled = self.pool_red_conv(self.global_pooling_bn(self.global_pooling_conv(pooled)))
        if window == (height, width):
            return pooled
        missing = [window[1] - 1, window[0] - 1]
        left, top = missing[0] // 2, missing[1] // 2
        return F.pad(pooled, (left, missing[0] - left, top, missing[1] - top), mode="replicate")

    def forward(self, x: Tensor) -> Tensor:  # (N, B, h, w)
        """Features (N, D, h, w)."""
        return self.red_bn(self.red_conv(self.maps(x)) + self.image(x))


def parallel_convs(in_channels: int, channels: int, dilations: tuple[int, ...]) -> nn.ModuleList:
    """A 1x1 convolution and one dilated 3x3 per dilation, all keeping the size."""
    convs = [nn.Conv2d(in_channels, channels, 1, bias=False)]
    convs += [Conv3x3(in_channels, channels, dilation=d) for d in dilations]
    return nn.ModuleList(convs)
