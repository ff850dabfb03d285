"""The pixel decoder: from the body's maps to coarse levels, and to an embedding of every fourth pixel."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = 3  # maps that the queries look at


class NormedConv(nn.Conv2d):
    """A convolution that keeps the size, and a group norm; without a bias, which the norm would take away."""

    def __init__(self, in_channels: int, channels: int, kernel: int, *, groups: int, bias: bool = False):
        super().__init__(in_channels, channels, kernel, padding=kernel // 2, bias=bias)
        self.norm = nn.GroupNorm(groups, channels)
        nn.init.kaiming_uniform_(self.weight, a=1)
        if bias:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:  # (N, B, h, w) -> (N, D, h, w)
        return self.norm(super().forward(x))


class FPNPixelDecoder(nn.Module):
    """A feature pyramid (Mask2Former, its decoder without attention).

    y_K = relu(conv(map_K)); y_k = relu(conv(conv1x1(map_k) + nearest(y_(k+1)))), with a group norm after
    each.

    Args:
        in_channels: of the body's maps, finest first. channels: D of the levels. mask_channels: M of the
            embedding.
        groups: of the norms.
    """

    def __init__(self, in_channels: Sequence[int], channels: int, mask_channels: int, *, groups: int = 32):
        super().__init__()
        last = len(in_channels)
        self.num_levels = min(LEVELS, last)
        self.layers = range(last, 0, -1)  # coarsest first
        for number, width in enumerate(in_channels, start=1):
            if number < last:
                self.add_module(f"adapter_{number}", NormedConv(width, channels, 1, groups=groups))
            inputs = width if number == last else channels
            self.add_module(f"layer_{number}", NormedConv(inputs, channels, 3, groups=groups))
        self.mask_features = nn.Conv2d(channels, mask_channels, 3, padding=1)
        nn.init.kaiming_uniform_(self.mask_features.weight, a=1)
        nn.init.zeros_(self.mask_features.bias)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Embedding (N, M, h, w) of the finest map, and up to `LEVELS` levels (N, D, ., .), coarsest first.

        `maps` are those of the body, finest first.
        """
        found: list[Tensor] = []
        for number in self.layers:
            x = maps[number - 1]
            if found:
                x = self.get_submodule(f"adapter_{number}")(x)
                x = x + F.interpolate(found[-1], size=x.shape[-2:], mode="nearest")
            found.append(self.get_submodule(f"layer_{number}")(x).relu())
        return self.mask_features(found[-1]), found[:LEVELS]
