"""SSUL-M: SSUL (Cha et al., NeurIPS 2021) with a memory of old images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dataset.images import apply_table
from dataset.memory.replay import HalfBatches
from dataset.saliency import mark_salient, read_saliency
from methods.annotated_memory import AnnotatedMemory
from methods.ssul import SSUL, UNKNOWN, with_unknown
from utils.distributed import rank
from utils.labels import BACKGROUND, IGNORE
from utils.losses.pixelwise import sigmoid_pseudo_labels


class SSULM(AnnotatedMemory, SSUL):
    """SSUL, with half of each batch from a memory of old images.

    The memory is class-balanced and small. Its labels show every class learned so far, so that new heads see
    old classes as negatives.

    Equation: L = BCE(z, pseudo y), summed over channels, half of the images being old ones
    """

    step0_as = "SSUL"

    table: np.ndarray | None = None  # from annotations to labels of all classes so far; known with the data
    halves: HalfBatches | None = None  # the memory, decoded
    batches = 0  # trained on in this step

    def train_set(self, data):
        self.table = replace(data, masking="current+old").table("train")
        return super().train_set(data)

    def from_features(self) -> bool:
        return False  # `losses` puts images of the memory among those of the step

    def recall(self, images):
        return images

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        if self.teacher is not None and self.table is not None:
            if self.halves is None:
                seed = f"halves/{self.seed}/{self.step.index}/{rank()}"
                self.halves = HalfBatches(self.entries(), device=images.device, seed=seed)
            images, labels = self.halves.replace(images, labels, self.batches)
            self.batches += 1
        return super().losses(images, labels)

    def entries(self) -> list[tuple[Tensor, Tensor]]:
        """Images uint8 (3, H, W) of the memory and their labels (H, W), SALIENT where there are maps."""
        # Differs from SSUL, whose memory has labels one channel too low, and no saliency.
        pairs = []
        for record in self.memory.records:
            image, labels = record.restore()
            labels = apply_table(self.table, labels)
            if self.saliency:
                path = Path(self.saliency) / f"{record.source}.png"
                labels = mark_salient(labels, read_saliency(path, labels))
            pairs.append((image, labels))
        return pairs

    def completed(self, labels: Tensor, old_logits: Tensor) -> Tensor:
        options = {"threshold": self.threshold, "first": UNKNOWN + 2}
        channels = sigmoid_pseudo_labels(old_logits, with_unknown(labels, saliency=False), **options)
        return torch.where(channels == IGNORE, IGNORE, (channels - 1).clamp(min=BACKGROUND))

    def state_dict(self) -> dict:
        return super().state_dict() | {"batches": self.batches}

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        self.halves = None
        if self.memory.step == self.step.index:  # else the state is that of the step before
            self.batches = state.get("batches", 0)
