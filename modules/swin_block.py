"""Swin's block: attention inside windows of the grid, shifted by half a window in every second block."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def partition(tokens: Tensor, side: int) -> Tensor:  # (N, H, W, C), H and W multiples of `side`
    """Windows, row by row: (N * H/side * W/side, side*side, C)."""
    n, height, width, channels = tokens.shape
    tokens = tokens.view(n, height // side, side, width // side, side, channels)
    return tokens.transpose(2, 3).reshape(-1, side * side, channels)


def unpartition(windows: Tensor, side: int, height: int, width: int) -> Tensor:
    """The inverse of `partition`: (N, height, width, C)."""
    windows = windows.view(-1, height // side, width // side, side, side, windows.shape[-1])
    return windows.transpose(2, 3).reshape(-1, height, width, windows.shape[-1])


def shift_mask(height: int, width: int, side: int, device: torch.device) -> Tensor:
    """0 where two positions of a shifted window were neighbours before the shift, -100 elsewhere.

    `height` and `width` are those of the padded grid. Returns (windows, 1, side*side, side*side).
    """

    def bands(length: int) -> Tensor:
        position = torch.arange(length, device=device)
        return (position >= length - side).int() + (position >= length - side // 2).int()

    region = 3 * bands(height)[:, None] + bands(width)  # (height, width), nine values
    region = partition(region[None, :, :, None], side).squeeze(-1)  # (windows, side*side)
    return torch.where(region[:, :, None] == region[:, None, :], 0.0, -100.0).unsqueeze(1)


class DropPath(nn.Module):
    """Stochastic depth: in training a whole sample's branch is dropped with probability `rate`."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return branch
        keep = branch.new_empty(len(branch), *[1] * (branch.dim() - 1)).bernoulli_(1 - self.rate)
        return branch * keep / (1 - self.rate)


class WindowAttention(nn.Module):
    """Multi-head attention inside windows, with a learned bias per relative position."""

    def __init__(self, channels: int, heads: int, side: int):
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * side - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        grid = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")).flatten(1)
        offset = grid[:, :, None] - grid[:, None, :] + side - 1  # (2, side*side, side*side), from 0
        # In the state dict because the published files have it there.
        self.register_buffer("relative_position_index", offset[0] * (2 * side - 1) + offset[1])
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, windows: Tensor, mask: Tensor) -> Tensor:  # (N*windows, T, C), (windows or 1, 1, T, T)
        n, length, channels = windows.shape
        qkv = self.qkv(windows).view(n, length, 3, self.heads, channels // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (N*windows, heads, T, C/heads)
        bias = self.relative_position_bias_table[self.relative_position_index]  # (T, T, heads)
        bias = bias.permute(2, 0, 1) + mask.to(bias.dtype)
        bias = bias.repeat(n // len(bias), 1, 1, 1) if len(bias) > 1 else bias.expand(n, -1, -1, -1)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        return self.proj(attended.transpose(1, 2).reshape(n, length, channels))


class Mlp(nn.Module):
    """Two layers with an exact GELU between."""

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(tokens)))


class SwinBlock(nn.Module):
    """Window attention and MLP, each a residual branch behind a LayerNorm.

    The grid is padded to whole windows first and shifted then, as in the published segmentation code.
    """

    # Differs from timm, which shifts first and pads then: other results wherever padding is needed, and no
    # shift if the grid is a single window.

    def __init__(
        self, channels: int, heads: int, side: int, *, shift: int, mlp_ratio: float, drop_path: float
    ):
        super().__init__()
        self.side, self.shift = side, shift
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, heads, side)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels, int(channels * mlp_ratio))

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:  # (N, H, W, C), mask of the shifted grid
        tokens = tokens + self.drop_path(self.attend(self.norm1(tokens), mask))
        return tokens + self.drop_path(self.mlp(self.norm2(tokens)))

    def attend(self, tokens: Tensor, mask: Tensor) -> Tensor:  # (N, H, W, C)
        """Attention over windows of the padded, then shifted grid; same shape as `tokens`."""
        height, width = tokens.shape[1:3]
        tokens = F.pad(tokens, (0, 0, 0, -width % self.side, 0, -height % self.side))
        padded = tokens.shape[1:3]
        if self.shift:
            tokens = tokens.roll((-self.shift, -self.shift), (1, 2))
        else:
            mask = mask.new_zeros(1, 1, 1, 1)
        tokens = unpartition(self.attn(partition(tokens, self.side), mask), self.side, *padded)
        if self.shift:
            tokens = tokens.roll((self.shift, self.shift), (1, 2))
        return tokens[:, :height, :width]
