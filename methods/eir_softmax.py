"""EIR-softmax: enhanced instance replay (CVPR 2025, arXiv 2503.22136) in the common network."""

import random
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from dataset.memory.compose import cell_size, compose
from dataset.memory.replay import MemoryDraws, WithMemory
from methods.replay import Replay
from tasks import Step
from utils.distributed import rank
from utils.labels import BACKGROUND, IGNORE
from utils.losses.pixel_means import pixel_means
from utils.losses.pixelwise import grouped_kd
from utils.losses.pseudo_labels import confidence_scores


class EIRSoftmax(Replay):
    """Replay of old instances, alone and pasted into new images, with the common network and softmax.

    A step trains on its images and on each stored instance without its context. Confident predictions of the
    teacher replace background labels, and instances of the predicted classes are mixed into images and
    targets. Region-specific distillation (RSKD) assigns the teacher's background probability to the new
    classes on their pixels.

    Equation: L = CE(z, mixed pseudo y) + loss_kd RSKD(z, u)
    """

    loss_kd: Annotated[float, "weight of region-specific distillation (EIR config, kd)"] = 5.0
    threshold: Annotated[float, "probability that makes the teacher's answer a label (EIR trainer)"] = 0.7
    spread_extras: Annotated[bool, "paste random classes into several cells (EIR: into one)"] = False
    kd_everywhere: Annotated[bool, "distil in all pixels (EIR: inside new classes)"] = False
    ignore_emptied: Annotated[bool, "ignore removed context (EIR: train it as background)"] = False

    needs_teacher = True
    step0_as = "FT"
    whole_images = False
    criterion: ClassVar[str] = "ce"  # name of the classification loss

    def __init__(self, step: Step, **hyper):
        super().__init__(step, **hyper)
        self.batches = 0  # number of batches composed in this step
        self.draws: MemoryDraws | None = None  # None: the memory is not decoded yet

    def recall(self, images):
        rest = IGNORE if self.ignore_emptied else BACKGROUND
        return WithMemory(images, self.memory.records, alone=True, rest=rest)

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        if self.teacher is None:
            return super().losses(images, labels)
        old = self.old(images)
        pseudo = self.pseudo_labels(old.logits, labels)
        images, targets, pastes = compose(
            images,
            labels,
            pseudo,
            self.begin_draws(images),
            num_classes=self.step.num_seen,
            cell=cell_size(min(images.shape[-2:])),
            spread=self.spread_extras,
        )
        if pastes:
            old = self.old(images)
        out = self.model(images)
        # Differs from EIR: the region is the labels' new classes (its code overwrites it by a tensor of
        # another shape).
        region = (labels >= self.step.num_old) & (labels != IGNORE) | self.kd_everywhere
        small, maps = [out.logits_small, old.logits_small], [targets, pseudo, region]
        classification, rskd = pixel_means(self.loss_maps, small, maps)
        classification = classification * (labels.numel() / self.num_counted(targets))
        return {self.criterion: classification, "rskd": self.loss_kd * rskd}

    def loss_maps(
        self, logits: Tensor, old_logits: Tensor, targets: Tensor, pseudo: Tensor, region: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Classification loss and region-specific distillation of each pixel, (N, H, W) both."""
        # Differs from EIR: the group holds every new class (its code drops the first; inf with one).
        group = range(self.step.num_old, self.step.num_seen)
        rskd = grouped_kd(logits, old_logits, group=group, mask=region)
        return self.classification(logits, targets, pseudo), rskd

    def begin_draws(self, images: Tensor) -> MemoryDraws:
        """Random draws of the next batch: a function of seed, step, process and batch number."""
        if self.draws is None:
            self.draws = MemoryDraws(self.memory.records, device=images.device)
        rng = random.Random(f"compose/{self.seed}/{self.step.index}/{rank()}/{self.batches}")
        self.batches += 1
        return self.draws.begin(rng, images.shape[-2:])

    def pseudo_labels(self, old_logits: Tensor, labels: Tensor) -> Tensor:  # (N, C_old, H, W), (N, H, W)
        """Labels in which confident predictions of the teacher replace background."""
        classes, probability = confidence_scores(old_logits)
        sure = (labels == BACKGROUND) & (classes != BACKGROUND) & (probability >= self.threshold)
        return torch.where(sure, classes, labels)

    def classification(self, logits: Tensor, targets: Tensor, pseudo: Tensor) -> Tensor:
        """-sum_c T_c log p_c of each pixel, (N, H, W); ignored ones stay so under a paste."""
        return F.cross_entropy(logits, targets, reduction="none").masked_fill(pseudo == IGNORE, 0)

    def num_counted(self, targets: Tensor) -> int | Tensor:  # (N, C, H, W)
        """Number of pixels that the classification loss is averaged over: here all."""
        return targets[:, 0].numel()

    def state_dict(self) -> dict:
        return super().state_dict() | {"step": self.step.index, "batches": self.batches}

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        self.draws = None
        if state.get("step", self.memory.step) == self.step.index:  # else it is of the step before
            self.batches = state.get("batches", 0)
