"""Class prototypes, classifier rows, and the cosines between them (RevisitingCSS, run_proto.py)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from utils.labels import IGNORE


class ClassMeans:
    """Mean feature of every class over any number of batches, of any size.

    Args:
        num_classes: labels from `num_classes` on, IGNORE among them, do not count.
        channels: of the features. device: of the features.
    """

    # Differs from RevisitingCSS: there, batches of more than one image mix the channels of different images.
    def __init__(self, num_classes: int, channels: int, *, device: torch.device | str = "cpu"):
        self.sums = torch.zeros(num_classes, channels, dtype=torch.float64, device=device)
        self.counts = torch.zeros(num_classes, dtype=torch.int64, device=device)

    def update(self, features: Tensor, labels: Tensor) -> None:  # (N, D, h, w), (N, h, w)
        """Add one batch."""
        labels = labels.flatten().long()
        counted = labels < len(self.counts)
        vectors = features.movedim(1, -1).flatten(0, -2)[counted].double()
        self.sums.index_add_(0, labels[counted], vectors)
        self.counts += torch.bincount(labels[counted], minlength=len(self.counts))

    @property
    def means(self) -> Tensor:
        """(C, D) float64, zero for a class without a pixel."""
        return self.sums / self.counts.clamp(min=1)[:, None]


def labels_at(labels: Tensor, size: tuple[int, int]) -> Tensor:  # (N, H, W) -> (N, *size)
    """The label nearest to the centre of each cell of a feature map."""
    return F.interpolate(labels[:, None].float(), size=size, mode="nearest-exact")[:, 0].to(labels.dtype)


def blended_labels_at(labels: Tensor, size: tuple[int, int]) -> Tensor:  # (N, H, W) -> (N, *size)
    """Labels as RevisitingCSS reduces them: interpolated bilinearly as numbers (aligned corners), truncated.

    At a border the blend of two numbers may name a third class, even one that the batch does not have.
    """
    blended = F.interpolate(labels[:, None].double(), size=size, mode="bilinear", align_corners=True)[:, 0]
    return blended.to(labels.dtype)


def published_labels_at(labels: Tensor, size: tuple[int, int]) -> Tensor:  # (N, H, W) -> (N, *size)
    """Blended labels as RevisitingCSS counts them: IGNORE for numbers that the batch does not have."""
    blended = blended_labels_at(labels, size)
    return torch.where(torch.isin(blended, labels.unique()), blended, IGNORE)


def taught_rows(rows: Tensor, num_seen: int, num_total: int) -> Tensor:  # (C, D) -> (num_total, D)
    """Classifier rows of the classes taught so far; zero for the others, even if they have a row."""
    taught = rows.new_zeros(num_total, rows.shape[1])
    taught[:num_seen] = rows[:num_seen]
    return taught


def cosines(one: Tensor, other: Tensor) -> Tensor:  # (A, D), (B, D) -> (A, B)
    """Cosine of every row of `one` with every row of `other`; 0 where either is zero."""
    return F.normalize(one, dim=1) @ F.normalize(other, dim=1).T
