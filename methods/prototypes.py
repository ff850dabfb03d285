"""PROTOTYPES: nearest class means of frozen foundation features, without any training (own baseline)."""

import torch
from torch import Tensor

from methods.closed_form import ClosedForm
from segmentation_module import Output
from utils.labels import BACKGROUND, IGNORE
from utils.losses.closed_form import nearest_mean


class Prototypes(ClosedForm):
    """Every cell takes the class whose mean feature has the smallest angle to its own.

    The backbone is frozen and pre-trained elsewhere: what a step learns is a mean per class, in one pass. New
    classes cannot move old ones, so that nothing is forgotten but what is confused.

    Equation: class = argmax_c cos(f, mean_c)

    Background is learned at step 0 only: later it hides old and future classes, unless the setting is
    sequential, which hides none.
    """

    heads_supported = ("deeplab", "images")  # the first is not built: the backbone's own features are read
    with_products = False
    hides: bool = True  # whether later steps' background may be another class

    def head_options(self) -> dict:
        return {"unit_length": True}

    def train_set(self, data):
        self.hides = data.setting != "sequential"
        return super().train_set(data)

    def targets(self, labels: Tensor, out: Output) -> Tensor:
        if self.step.index == 0 or not self.step.has_background or not self.hides:
            return labels
        return torch.where(labels == BACKGROUND, IGNORE, labels)

    def solve(self) -> tuple[Tensor, Tensor]:
        return nearest_mean(self.moments)
