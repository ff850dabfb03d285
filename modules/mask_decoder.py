"""The transformer decoder of masks: queries that look where they have predicted their mask (Mask2Former)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.attention import MLP, CrossAttentionLayer, FeedForwardLayer, SelfAttentionLayer
from modules.positions import sine_positions


@dataclass
class QuerySet:
    """Queries that pass the decoder together.

    Attributes:
        features: what they start as (Q, D). positions: one (Q, D) per layer.
        embed: their mask embedding, (N, Q, D) -> (N, Q, M).
    """

    features: Tensor
    positions: Sequence[Tensor]
    embed: Callable[[Tensor], Tensor]


class MaskDecoder(nn.Module):
    """Learned queries, and layers of cross attention within masks, self attention and feed-forward.

    Args:
        channels: D. mask_channels: M. queries: Q. layers: L. heads: of the attentions.
        hidden: width of the feed-forward layers. levels: number of maps that the queries look at in turn.
    """

    def __init__(
        self,
        channels: int,
        mask_channels: int,
        *,
        queries: int = 100,
        layers: int = 9,
        heads: int = 8,
        hidden: int = 2048,
        levels: int = 3,
    ):
        super().__init__()
        numbers = range(layers)
        self.transformer_cross_attention_layers = nn.ModuleList(
            CrossAttentionLayer(channels, heads) for _ in numbers
        )
        self.transformer_self_attention_layers = nn.ModuleList(
            SelfAttentionLayer(channels, heads) for _ in numbers
        )
        self.transformer_ffn_layers = nn.ModuleList(FeedForwardLayer(channels, hidden) for _ in numbers)
        self.decoder_norm = nn.LayerNorm(channels)
        self.query_feat = nn.Embedding(queries, channels)
        self.query_embed = nn.Embedding(queries, channels)
        self.level_embed = nn.Embedding(levels, channels)
        self.mask_embed = MLP(channels, mask_channels)

    def queries(self) -> QuerySet:
        """The learned queries, which have one position for all layers."""
        positions = [self.query_embed.weight] * len(self.transformer_ffn_layers)
        return QuerySet(self.query_feat.weight, positions, self.mask_embed)

    def forward(
        self, levels: Sequence[Tensor], pixels: Tensor, queries: QuerySet | None = None, *,
        softmask: bool = False,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """States (L + 1, N, Q, D) and mask logits (L + 1, N, Q, h, w), before the first layer and after each.

        Args:
            levels: maps (N, D, ., .), coarsest first; layer l looks at number l modulo their count.
            pixels: embedding of every pixel (N, M, h, w). queries: by default the learned ones.
            softmask: whether masks compete: a query looks where its share of the softmax is at least 1/2.
        """
        queries = queries or self.queries()
        memory = [self.remember(level, number) for number, level in enumerate(levels)]
        x = queries.features.expand(pixels.shape[0], -1, -1)
        states, masks = [x], [self.predict(x, pixels, queries)]
        for layer, positions in enumerate(queries.positions):
            number = layer % len(levels)
            allowed = looked_at(masks[-1], levels[number].shape[-2:], softmask=softmask)
            x = self.transformer_cross_attention_layers[layer](x, positions, *memory[number], allowed)
            x = self.transformer_self_attention_layers[layer](x, positions)
            x = self.transformer_ffn_layers[layer](x)
            states.append(x)
            masks.append(self.predict(x, pixels, queries))
        return torch.stack(states), torch.stack(masks)

    def remember(self, level: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """Keys and values (N, S, D) of the cells of a level: keys have positions, too."""
        values = level.flatten(2).mT + self.level_embed.weight[number]
        return values + sine_positions(*level.shape[-2:], level.shape[1], values).flatten(1).T, values

    def predict(self, x: Tensor, pixels: Tensor, queries: QuerySet) -> Tensor:
        """Mask logits (N, Q, h, w) of queries in state x (N, Q, D)."""
        return torch.einsum("nqm,nmhw->nqhw", queries.embed(self.decoder_norm(x)), pixels)


@torch.no_grad()
def looked_at(masks: Tensor, size: tuple[int, int], *, softmask: bool) -> Tensor:  # (N, Q, h, w)
    """Cells of a level that each query may look at (N, Q, S): those of its mask, or all if it has none."""
    small = F.interpolate(masks, size=size, mode="bilinear", align_corners=False).flatten(2)
    inside = small.softmax(1) >= 0.5 if softmask else small >= 0
    return inside | ~inside.any(-1, keepdim=True)
