"""The pixel decoder of published rows: deformable attention over three levels, in plain PyTorch."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.pixel_decoder import LEVELS, NormedConv
from modules.positions import sine_positions

LAYERS, POINTS, HEADS = 6, 4, 8  # as published


class DeformableAttention(nn.Module):
    """Each token reads few points of every level, at places that it says itself (Zhu et al. 2021).

    Args:
        channels: D. heads, levels, points: per token heads * levels * points places are read.
    """

    def __init__(self, channels: int, *, heads: int, levels: int, points: int = POINTS):
        super().__init__()
        self.shape = (heads, levels, points)
        self.sampling_offsets = nn.Linear(channels, 2 * heads * levels * points)
        self.attention_weights = nn.Linear(channels, heads * levels * points)
        self.value_proj, self.output_proj = nn.Linear(channels, channels), nn.Linear(channels, channels)
        for layer in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        for layer in (self.sampling_offsets, self.attention_weights):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():  # heads look in directions around a circle, points further and further
            angles = torch.arange(heads) * (2 * math.pi / heads)
            ways = torch.stack([angles.cos(), angles.sin()], -1)
            ways = ways / ways.abs().amax(-1, keepdim=True)
            steps = torch.arange(1, points + 1)
            offsets = ways[:, None, None] * steps[:, None]  # (heads, 1, points, 2)
            self.sampling_offsets.bias.copy_(offsets.expand(*self.shape, 2).flatten())

    def forward(self, x: Tensor, placed: Tensor, places: Tensor, sizes: Sequence[tuple[int, int]]) -> Tensor:
        """What the tokens of all levels x (N, S, D) read of each other.

        Args:
            placed: x with positions. places: centre of each token in [0, 1] (S, 2), x before y.
            sizes: (h, w) of each level, in the order of the tokens.
        """
        heads, levels, points = self.shape
        values = self.value_proj(x).unflatten(-1, (heads, -1))  # (N, S, heads, D / heads)
        offsets = self.sampling_offsets(placed).unflatten(-1, (*self.shape, 2))  # in cells of the level
        weights = self.attention_weights(placed).unflatten(-1, (heads, levels * points)).softmax(-1)
        scale = offsets.new_tensor([(width, height) for height, width in sizes])
        where = places[:, None, None, None] + offsets / scale[:, None]  # (N, S, heads, levels, points, 2)
        read = []
        for level, (part, (height, width)) in enumerate(
            zip(values.split([h * w for h, w in sizes], dim=1), sizes, strict=True)
        ):
            maps = part.permute(0, 2, 3, 1).flatten(0, 1).unflatten(-1, (height, width))
            grid = 2 * where[:, :, :, level].transpose(1, 2).flatten(0, 1) - 1  # (N * heads, S, points, 2)
            read.append(F.grid_sample(maps, grid, align_corners=False))
        seen = torch.cat(read, -1)  # (N * heads, D / heads, S, levels * points)
        seen = (seen * weights.transpose(1, 2).flatten(0, 1)[:, None]).sum(-1)
        return self.output_proj(seen.unflatten(0, (-1, heads)).flatten(1, 2).mT)


class EncoderLayer(nn.Module):
    """y = LN(y + attention(y)); y = LN(y + W_2 relu(W_1 y))."""

    def __init__(self, channels: int, hidden: int, **sizes):
        super().__init__()
        self.self_attn = DeformableAttention(channels, **sizes)
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.linear1, self.linear2 = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        for layer in (self.linear1, self.linear2):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, x: Tensor, positions: Tensor, *where) -> Tensor:
        x = self.norm1(x + self.self_attn(x, x + positions, *where))
        return self.norm2(x + self.linear2(self.linear1(x).relu()))


class Encoder(nn.Module):
    """The layers, and an embedding of each level, under the published names."""

    def __init__(self, channels: int, hidden: int, *, layers: int, levels: int, **sizes):
        super().__init__()
        self.level_embed = nn.Parameter(torch.randn(levels, channels))
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList(
            EncoderLayer(channels, hidden, levels=levels, **sizes) for _ in range(layers)
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:  # (N, D, h, w) each
        """The maps after all layers."""
        sizes = [tuple(x.shape[-2:]) for x in maps]
        x = torch.cat([one.flatten(2).mT for one in maps], dim=1)
        positions = [sine_positions(*size, x.shape[-1], x).flatten(1).T for size in sizes]
        positions = torch.cat([one + level for one, level in zip(positions, self.level_embed, strict=True)])
        places = torch.cat([centres(size, x) for size in sizes])
        for layer in self.encoder.layers:
            x = layer(x, positions, places, sizes)
        parts = x.split([h * w for h, w in sizes], dim=1)
        return [part.mT.unflatten(-1, size) for part, size in zip(parts, sizes, strict=True)]


class DeformablePixelDecoder(nn.Module):
    """Multi-scale deformable attention on all levels, and a pyramid's step to the finest map (Mask2Former).

    Args:
        as of `FPNPixelDecoder`. layers, heads: of the attention. hidden: width of its feed-forward layers.
    """

    def __init__(
        self, in_channels: Sequence[int], channels: int, mask_channels: int, *, groups: int = 32,
        layers: int = LAYERS, heads: int = HEADS, hidden: int = 0,
    ):  # fmt: skip
        super().__init__()
        coarse = list(in_channels[1:] or in_channels)[::-1][:LEVELS]  # coarsest first
        self.num_levels = len(coarse)
        self.input_proj = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, channels, 1), nn.GroupNorm(groups, channels)) for width in coarse
        )
        for layer, _ in self.input_proj:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        sizes = {"layers": layers, "levels": self.num_levels, "heads": heads}
        self.transformer = Encoder(channels, hidden or 4 * channels, **sizes)
        self.adapter_1 = NormedConv(in_channels[0], channels, 1, groups=groups)
        self.layer_1 = NormedConv(channels, channels, 3, groups=groups)
        self.mask_features = nn.Conv2d(channels, mask_channels, 1)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """As of `FPNPixelDecoder`; in float32 or more, as published."""
        with torch.autocast(maps[0].device.type, enabled=False):
            maps = [x.float() if x.dtype in (torch.float16, torch.bfloat16) else x for x in maps]
            coarse = list(maps[::-1][: self.num_levels])
            levels = self.transformer([proj(x) for proj, x in zip(self.input_proj, coarse, strict=True)])
            fine = self.adapter_1(maps[0])
            fine = fine + F.interpolate(levels[-1], size=fine.shape[-2:], mode="bilinear")
            return self.mask_features(self.layer_1(fine).relu()), levels


def centres(size: tuple[int, int], like: Tensor) -> Tensor:
    """Centre (x, y) of every cell of a map of `size` (h, w) in [0, 1], row after row (h * w, 2)."""
    rows, columns = ((torch.arange(n, device=like.device, dtype=like.dtype) + 0.5) / n for n in size)
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij")[::-1], -1).flatten(0, 1)
