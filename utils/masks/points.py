"""Points at which masks are compared: drawn, chosen where a network is uncertain, and read (PointRend)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


def read(maps: Tensor, points: Tensor) -> Tensor:  # (B, K, h, w), (B, P, 2) -> (B, K, P)
    """Bilinear values of each map at points (x, y) in [0, 1]; pixel centres at (k + 1/2) / size, 0 beyond."""
    return F.grid_sample(maps, 2 * points[:, None] - 1, align_corners=False)[:, :, 0]


@dataclass
class Points:
    """Where masks are compared: fresh random points, from torch's global generator.

    Args:
        number: P, of points per comparison. oversample: candidates over P. important: share of P that is
            chosen from the candidates; the rest is drawn anew.
    """

    number: int = 12544
    oversample: float = 3.0
    important: float = 0.75

    def for_matching(self, layers: int, images: int, like: Tensor) -> Tensor:
        """Points (L, N, P, 2): others for each layer and image, the same for its queries and masks."""
        return torch.rand(layers, images, self.number, 2, dtype=like.dtype, device=like.device)

    def for_losses(self, layer: int, pairs: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Candidates (K, 3P, 2) and further points (K, R, 2) of each matched pair of layer number `layer`."""
        sizes = int(self.oversample * self.number), self.number - int(self.important * self.number)
        return tuple(torch.rand(pairs, n, 2, dtype=like.dtype, device=like.device) for n in sizes)

    @torch.no_grad()
    def uncertain(self, layer: int, maps: Tensor, certainty: Callable[[Tensor], Tensor]) -> Tensor:
        """Points (K, P, 2) for each map (K, h, w), see `uncertain_points`."""
        drawn = self.for_losses(layer, len(maps), maps)
        return uncertain_points(maps, *drawn, number=self.number, certainty=certainty)


def uncertain_points(
    maps: Tensor, candidates: Tensor, rest: Tensor, *, number: int, certainty: Callable[[Tensor], Tensor]
) -> Tensor:  # (K, h, w), (K, 3P, 2), (K, R, 2) -> (K, P, 2)
    """`number` points of each map: the least certain candidates first, then `rest`.

    `certainty` is taken of the values that the maps have at the candidates.
    """
    values = certainty(read(maps[:, None], candidates)[:, 0])
    chosen = values.topk(number - rest.shape[1], dim=1, largest=False).indices
    return torch.cat([candidates.gather(1, chosen[..., None].expand(-1, -1, 2)), rest], dim=1)
