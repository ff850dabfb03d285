"""Layers of a transformer decoder, norms behind the sums, named as in the published checkpoints."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention with the parameters of `nn.MultiheadAttention`; a mask is shared by all heads."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * channels, channels))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * channels))
        self.out_proj = nn.Linear(channels, channels)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
        """Queries (N, Q, D) look at keys and values (N, S, D), where `allowed` (N, Q, S), if given."""
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        parts = [  # (N, heads, ., D / heads)
            F.linear(x, weight, bias).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x, weight, bias in zip((query, key, value), weights, biases, strict=True)
        ]
        mask = None if allowed is None else allowed[:, None]
        seen = F.scaled_dot_product_attention(*parts, attn_mask=mask)
        return self.out_proj(seen.transpose(1, 2).flatten(-2))


class CrossAttentionLayer(nn.Module):
    """x = LN(x + attention(x + E; keys, values; where allowed))."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.multihead_attn, self.norm = Attention(channels, heads), nn.LayerNorm(channels)

    def forward(self, x: Tensor, positions: Tensor, keys: Tensor, values: Tensor, allowed: Tensor) -> Tensor:
        return self.norm(x + self.multihead_attn(x + positions, keys, values, allowed))


class SelfAttentionLayer(nn.Module):
    """x = LN(x + attention(x + E; x + E, x)): positions are added to keys, never to values."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.self_attn, self.norm = Attention(channels, heads), nn.LayerNorm(channels)

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        placed = x + positions
        return self.norm(x + self.self_attn(placed, placed, x))


class FeedForwardLayer(nn.Module):
    """x = LN(x + W_2 relu(W_1 x))."""

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        self.norm = nn.LayerNorm(channels)
        for layer in (self.linear1, self.linear2):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.linear2(self.linear1(x).relu()))


class MLP(nn.Module):
    """Linear layers with a ReLU between them: (..., D) -> (..., rows)."""

    def __init__(self, channels: int, rows: int, *, depth: int = 3):
        super().__init__()
        widths = [channels] * depth + [rows]
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in zip(widths, widths[1:], strict=False))
        self.out_channels = rows

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self.layers
        for layer in hidden:
            x = layer(x).relu()
        return last(x)
