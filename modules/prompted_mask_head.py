"""A mask head whose steps bring queries of their own (ECLIPSE)."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from modules.mask_head import Encoded, MaskHead, read_maps
from modules.prompts import ClassMLP, Prompts
from utils.masks.manipulation import manipulated


class PromptedMaskHead(MaskHead):
    """Queries of step 0, and prompts of later steps: groups that pass the decoder one by one.

    In training the newest group passes alone, and after step 0 its predictions before the first layer and
    after the last are all that there is. Else all groups pass, and their logits are made comparable.
    """

    def grow(self, classes: Sequence[int], deltas: Sequence[float], *, prompts: int = 0) -> None:
        """Give each later step `prompts`, 0: as many as it has of the `classes`; see `manipulated`."""
        channels, layers = self.out_channels, len(self.decoder.transformer_ffn_layers)
        self.void = ClassMLP(channels, 1)
        self.prompts = nn.ModuleList(
            Prompts(channels, channels, count=prompts or count, layers=layers) for count in classes[1:]
        )
        self.sizes, self.deltas = list(classes), list(deltas)

    def groups(self) -> list[nn.Module]:
        """What has queries: the decoder, then the prompts of each step; in training the newest alone."""
        every = [self.decoder, *self.prompts]
        return every[-1:] if self.training else every

    def encode(self, body: Tensor, maps: Mapping[str, Tensor]) -> Encoded:  # (N, B, h, w)
        pixels, levels = self.pixel_decoder(read_maps(body, maps)[-self.num_maps :])
        passed = [self.decoder(levels, pixels, group.queries()) for group in self.groups()]
        states, masks = (torch.cat(one, dim=2) for one in zip(*passed, strict=True))
        if self.training and len(self.prompts):
            states, masks = states[[0, -1]], masks[[0, -1]]
        return Encoded(pixels, states, masks)

    def classes(self, states: Tensor, classify: Callable[[Tensor], Tensor]) -> Tensor:
        logits = super().classes(states, classify)
        if self.training or not len(self.prompts):
            return logits
        queries = [self.decoder.query_feat.num_embeddings, *(one.feat.num_embeddings for one in self.prompts)]
        how = {"classes": self.sizes, "queries": queries, "deltas": self.deltas}
        return torch.stack([manipulated(layer, **how) for layer in logits])
