"""What closed-form classifiers need to know of the data: counts, sums and products of each class's cells.

All of it adds up, over batches, steps and processes, so nothing depends on their order or number.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from utils.distributed import all_reduce_sum, is_distributed
from utils.labels import IGNORE

CELLS = 4096  # taken at once: bounds the memory of a batch with thousands of channels


@dataclass
class Moments:
    """Statistics of the cells x of C classes, B channels each, in float64.

    Attributes:
        counts: cells of each class (C,).
        sums: sum of x over them (C, B).
        products: sums of x x^T (P, B, B): of each class (P = C), of all classes together (P = 1), or none.
    """

    counts: Tensor
    sums: Tensor
    products: Tensor

    @classmethod
    def zeros(cls, num_classes: int, width: int, *, num_products: int, device=None) -> "Moments":
        """Of no cell at all."""
        shapes = (num_classes,), (num_classes, width), (num_products, width, width)
        return cls(*(torch.zeros(shape, dtype=torch.float64, device=device) for shape in shapes))

    def add(self, features: Tensor, labels: Tensor) -> None:  # (N, B, h, w), (N, H, W)
        """Count in all cells that have a label."""
        for x, classes in zip(*(t.split(CELLS) for t in cells(features, labels)), strict=True):
            x = x.double()
            members = F.one_hot(classes, len(self.counts)).double()  # (M, C)
            self.counts += members.sum(0)
            self.sums += members.T @ x
            if len(self.products) == 1:
                self.products[0].addmm_(x.T, x)
            else:
                for c, product in enumerate(self.products):
                    own = x[classes == c]
                    product.addmm_(own.T, own)

    def reduce(self) -> "Moments":
        """Sum over all processes, in place, by one collective."""
        if not is_distributed():
            return self
        parts = [self.counts, self.sums, self.products]
        joint = all_reduce_sum(torch.cat([part.flatten() for part in parts]))
        for part, total in zip(parts, joint.split([part.numel() for part in parts]), strict=True):
            part.copy_(total.view_as(part))
        return self

    def __iadd__(self, other: "Moments") -> "Moments":
        """Count in `other`, which may know fewer classes, but the same channels."""
        self.counts[: len(other.counts)] += other.counts.to(self.counts.device)
        self.sums[: len(other.sums)] += other.sums.to(self.sums.device)
        self.products[: len(other.products)] += other.products.to(self.products.device)
        return self

    def finite(self) -> bool:
        """Whether no sum has overflowed."""
        return all(bool(part.isfinite().all()) for part in (self.counts, self.sums, self.products))

    def state_dict(self) -> dict[str, Tensor]:
        """For a checkpoint: of the symmetric products only the upper triangles."""
        upper = self.products[:, triangle(self.sums.shape[1], self.products.device)]
        return {"counts": self.counts, "sums": self.sums, "products": upper}

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> "Moments":
        """What `state_dict` left."""
        counts, sums, upper = (state[name] for name in ("counts", "sums", "products"))
        width = sums.shape[1]
        products = sums.new_zeros(len(upper), width, width)
        products[:, triangle(width, sums.device)] = upper
        products += products.triu(1).mT
        return cls(counts.clone(), sums.clone(), products)


def cells(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:  # (N, B, h, w), (N, H, W)
    """Features (M, B) and classes (M,) of the cells whose label, the nearest of the label map, is known."""
    small = F.interpolate(labels[:, None].float(), features.shape[-2:], mode="nearest")[:, 0].long()
    known = small != IGNORE  # (N, h, w)
    return features.movedim(1, -1)[known], small[known]


def triangle(width: int, device) -> Tensor:
    """Which entries of a square matrix are in its upper triangle, bool (B, B)."""
    return torch.ones(width, width, dtype=torch.bool, device=device).triu()
