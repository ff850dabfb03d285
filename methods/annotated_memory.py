"""What methods share that keep whole old images with all of their annotation (SSUL-M, DKD-M)."""

from abc import abstractmethod
from functools import partial

import numpy as np
import torch
from torch import Tensor

from dataset.images import StepImages, TrainImages
from dataset.memory.record import present_classes
from dataset.transform import central_crop, to_device
from methods.replay import Replay
from utils.distributed import broadcast_object, is_main


class AnnotatedMemory(Replay):
    """Mixin: a class-balanced memory of whole images; each step decides what it shows of their annotation.

    Stands before the host: `class DKDM(AnnotatedMemory, DKD)`. Any image of the step before is a candidate,
    by the classes that it shows; from step 2 on also by old ones that the network of the step before sees in
    what is labelled background, in the view of tests.
    """

    def choose(self, before: TrainImages, **rule) -> None:
        if is_main():  # asks a network, which may round otherwise elsewhere
            whole = StepImages(before.dataset, before.samples, np.arange(256, dtype=np.uint8))
            super().choose(whole, shown=partial(self.shown, before), **rule)
        self.memory.load_state_dict(broadcast_object(self.memory.state_dict()))

    @torch.no_grad()
    def shown(self, before: TrainImages, index: int) -> tuple[int, ...]:
        """Classes that image `index` of the step before counts for."""
        image, labels = before.read(index)
        if self.step.index == 1:
            return present_classes(labels)
        device = next(self.teacher.parameters()).device
        image, labels = central_crop(image, labels, before.size)
        images, labels = to_device(image[None], labels[None], device)
        return present_classes(self.completed(labels, self.old(images).logits))

    @abstractmethod
    def completed(self, labels: Tensor, old_logits: Tensor) -> Tensor:  # (N, H, W), (N, C_old, H, W)
        """Labels in which the network of the step before has relabelled background."""
