"""Queries that come with a step, and classifiers of several layers (ECLIPSE)."""

import torch
from torch import Tensor, nn

from modules.attention import MLP
from modules.mask_decoder import MaskDecoder, QuerySet


class Prompts(nn.Module):
    """The queries of one step, with a position for every layer and a mask embedding of their own.

    Args:
        channels: D. mask_channels: M. count: number of prompts. layers: of the decoder.
    """

    def __init__(self, channels: int, mask_channels: int, *, count: int, layers: int):
        super().__init__()
        self.feat = nn.Embedding(count, channels)
        self.embed = nn.ModuleList(nn.Embedding(count, channels) for _ in range(layers))
        self.mask_embed = MLP(channels, mask_channels)

    def queries(self) -> QuerySet:
        """What passes the decoder."""
        return QuerySet(self.feat.weight, [one.weight for one in self.embed], self.mask_embed)

    @torch.no_grad()
    def start_from(self, decoder: MaskDecoder) -> None:
        """Every prompt starts as the mean query, the mask embedding as that of the queries."""
        self.feat.weight.copy_(decoder.query_feat.weight.mean(0).expand_as(self.feat.weight))
        for one in self.embed:
            one.weight.copy_(decoder.query_embed.weight.mean(0).expand_as(one.weight))
        self.mask_embed.load_state_dict(decoder.mask_embed.state_dict())


class ClassMLP(MLP):
    """A classifier of three layers: (N, D, h, w) -> (N, rows, h, w), as 1x1 convolutions would be."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)

    def start_as(self, other: "ClassMLP") -> None:
        """Take over the layers of `other`, and its one row for each row here."""
        own, given = self.state_dict(), other.state_dict()
        self.load_state_dict({key: value.expand_as(own[key]) for key, value in given.items()})
