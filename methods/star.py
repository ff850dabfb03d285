"""STAR: replay of prototypes with norms and noise (Chen et al., NeurIPS 2023)."""

from functools import partial
from typing import Annotated

import torch
from torch import Tensor

from methods.prototype_memory import PrototypeMemory
from methods.sigmoid_heads import SigmoidHeads, SilentBackground
from methods.with_teacher import WithTeacher
from segmentation_module import Output
from utils.distributed import all_reduce_sum, world_size
from utils.labels import BACKGROUND
from utils.losses.cells import Cells
from utils.losses.evidence import new_class_bce
from utils.losses.pixel_means import pixel_means
from utils.losses.pixelwise import at_least_float32, softplus
from utils.losses.prototype_replay import (
    prototype_contrast,
    prototype_distillation,
    seen_classes,
)


class STAR(PrototypeMemory, SigmoidHeads, WithTeacher):
    """A sigmoid per class; old classes are replayed as features drawn around their prototypes.

    New classes learn what they are not from these, and from background that the teacher knows nothing of.
    Features are held where it knows a class, and centres of new classes are kept away from old prototypes.

    Equation: L = BCE(z_new, y) on images, replayed features and unknown background
        + pkd mean |f - f_old|^2 where the teacher sees a class + contrast mean 1 / min_k |centre - p_k|

    After step 0 norms are frozen. Old classifiers learn nothing: features are held where they were.
    """

    pos_weight: Annotated[float, "weight of a class's own pixels (STAR: 4 VOC, 30 ADE20K)"] = 4.0
    pkd: Annotated[float, "weight of the distance between old and new features (STAR)"] = 5.0
    contrast: Annotated[float, "weight of the contrast with old prototypes (STAR)"] = 0.05
    newest_lr: Annotated[float, "the same of the newest classifier after step 0 (STAR)"] = 100.0

    network = SilentBackground
    last_norm = "bn_relu"
    needs_background = True
    needs_new_classes = True
    step0_as = "STAR"

    def param_groups(self, lr: float, weight_decay: float) -> list[dict]:
        groups = super().param_groups(lr, weight_decay)
        if self.step.index > 0:
            groups[-1]["lr"] = self.newest_lr * lr
        return [group | {"weight_decay": weight_decay} for group in groups]

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        if self.teacher is not None:
            return super().losses(images, labels)
        return {"mbce": self.image_bce(self.model(images), labels, first=1)}

    def image_bce(self, out: Output, labels: Tensor, first: int) -> Tensor:
        """Mean over all pixels of the classes from `first` on; ignored pixels are negatives, as published."""
        loss_maps = partial(new_class_bce, num_old=first, pos_weight=self.pos_weight)
        (bce,) = pixel_means(loss_maps, [out.logits_small[:, first:]], [labels])
        return bce

    def incremental_losses(self, out: Output, old: Output, labels: Tensor) -> dict[str, Tensor]:
        features, new = at_least_float32(out.features), range(self.step.num_old, self.step.num_seen)
        cells = Cells(labels.shape[-2:], features.shape[-2:], labels.device)
        old_logits, corners = at_least_float32(old.logits_small), cells.corners(labels)
        known = (seen_classes(cells.corner_logits(old_logits)[:, 1:]) > 0) & (corners == BACKGROUND)
        unknown = seen_classes(cells.centre_logits(old_logits)[:, 1:]) == 0
        unknown &= cells.centre(labels) == BACKGROUND
        classes = torch.arange(new.start, new.stop, device=labels.device)[:, None, None]
        shares = cells.reduce(corners[:, None] == classes, features.dtype)  # (N, C_new, h, w)

        known = cells.reduce(known, features.dtype)
        pkd = prototype_distillation(features, at_least_float32(old.features), known)
        contrast = prototype_contrast(features, shares, self.known.prototypes.to(features))
        return {
            "mbce": self.replayed_bce(self.image_bce(out, labels, new.start), out, unknown),
            "pkd": self.pkd * pkd,
            "contrast": self.contrast * contrast,
        }

    def replayed_bce(self, images_bce: Tensor, out: Output, unknown: Tensor) -> Tensor:  # (N, h, w)
        """Mean of the classes' BCE on images, on replayed features, and on cells `unknown` to the teacher."""
        newest, total = self.net.cls[-1], unknown.numel() * world_size()
        replayed = self.replayed(out.features)
        negatives = softplus(newest(replayed[:, :, None, None])).sum() / total
        background = softplus(at_least_float32(out.logits_small[:, -newest.out_channels :])).sum(1)
        background = self.plan.ratio * (background * unknown).sum() / unknown.numel()
        weights = len(replayed) / total + self.plan.ratio * all_reduce_sum(unknown.sum()) / total
        return (images_bce + negatives + background) / (1 + weights)
