"""DKD-M: DKD (Baek et al., NeurIPS 2022) with a memory of old images."""

from typing import Annotated

import torch
from torch import Tensor

from dataset.memory.replay import WithMemory
from methods.annotated_memory import AnnotatedMemory
from methods.dkd import DKD
from utils.labels import BACKGROUND


class StepsView(AnnotatedMemory):
    """Mixin: the memory once in every epoch. Its labels show the classes of the step alone: old images teach
    the new classes what they are not, and what the distillation keeps.
    """

    mem_threshold: Annotated[
        float, "sigmoid that makes an old class count for a candidate of the memory (DKD-M)"
    ] = 0.9

    def recall(self, images):
        return WithMemory(images, self.memory.records, alone=False, table=images.table)

    def completed(self, labels: Tensor, old_logits: Tensor) -> Tensor:
        best, guess = old_logits[:, 1:].max(1)  # the auxiliary classifier is not asked
        sure = (labels == BACKGROUND) & (best.sigmoid() >= self.mem_threshold)
        return torch.where(sure, guess + 1, labels)


class DKDM(StepsView, DKD):
    """DKD, and a memory of old images, whose labels are as this step's would be.

    So an old image teaches the new classes what they are not, and feeds the distillation. It is chosen by
    classes, which the teacher completes where it is sure.

    Equation: L = DKD's L over images of the step and of the memory
    """

    step0_as = "DKD"
