"""Masks from label maps: what a network that classifies masks learns from (Mask2Former, section 3)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from utils.labels import IGNORE


@dataclass
class Masks:
    """The masks of one image.

    Attributes:
        classes: column of each mask's class among the logits (T,).
        masks: its pixels (T, H, W), bool; masks of labels do not overlap.
    """

    classes: Tensor
    masks: Tensor

    def __len__(self) -> int:
        return len(self.classes)

    def __add__(self, other: "Masks") -> "Masks":
        """These masks, then the others."""
        return Masks(torch.cat([self.classes, other.classes]), torch.cat([self.masks, other.masks]))

    def anywhere(self) -> Tensor:
        """Pixels inside any of the masks (H, W)."""
        return self.masks.any(0)


def masks_of_labels(labels: Tensor, first: int, last: int, *, column: int = 0) -> list[Masks]:
    """One mask for each class `first` ... `last` that an image shows, in ascending order.

    Other classes and ignored pixels give none; an image may have none.

    Args:
        labels: (N, H, W). column: class whose logits stand in column 0; 1 where background has no mask.
    """
    shown = labels.new_zeros(len(labels), IGNORE + 1).scatter_(1, labels.flatten(1), 1)
    found = []
    for image, row in zip(labels, shown[:, first : last + 1].tolist(), strict=True):  # one transfer
        classes = [first + number for number, present in enumerate(row) if present]
        classes = torch.tensor(classes, dtype=torch.long, device=labels.device)
        found.append(Masks(classes - column, image == classes[:, None, None]))
    return found
