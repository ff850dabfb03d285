"""DKD: decomposed knowledge distillation (Baek et al., NeurIPS 2022)."""

from typing import Annotated

import torch
from torch import Tensor

from methods.sigmoid_heads import SigmoidHeads
from modules.classifiers import init_from_first
from segmentation_module import Output
from utils.losses.evidence import evidence, new_class_bce
from utils.losses.pixel_means import pixel_means
from utils.losses.pixelwise import binary_distillation, softplus


class DKD(SigmoidHeads):
    """Sigmoids of new classes alone learn from labels; old ones keep the teacher's scores.

    A score is split into what speaks for a class and what against it (positive and negative weights), and
    both are distilled. An auxiliary classifier (channel 0) learns to say no everywhere; new classes start
    from it.

    Equation: L = mBCE(z_new, y) + loss_ac AC + loss_kd BCE(z_old, sigmoid(u))
        + loss_dkd [BCE(z+_old, sigmoid(u+)) + BCE(z-_old, sigmoid(u-))]; step 0: mBCE + AC
    """

    pos_weight_step0: Annotated[float, "weight of positive pixels at step 0 (DKD: 2 VOC, 35 ADE)"] = 1.0
    pos_weight: Annotated[float, "weight of positive pixels after step 0 (DKD: 1 VOC, 35 ADE)"] = 1.0
    loss_kd: Annotated[float, "weight of the distillation of old classes' sigmoids (DKD config, kd)"] = 5.0
    loss_dkd: Annotated[float, "weight of each decomposed distillation (DKD config, dkd_pos, dkd_neg)"] = 5.0
    loss_ac: Annotated[float, "weight of the auxiliary classifier's loss (DKD config, ac)"] = 1.0
    skip_ignored: Annotated[bool, "leave out ignored pixels (DKD: negatives of every new class)"] = False

    needs_teacher = True
    needs_background = True
    needs_new_classes = True
    last_norm = "bn_relu"  # the decomposition presumes features that are not negative

    def start_increment(self, loader) -> None:
        super().start_increment(loader)
        init_from_first(self.net.cls)

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        out = self.model(images)
        if self.teacher is None:
            mbce, ac = pixel_means(self.loss_maps, [out.logits_small], [labels])
            return {"mbce": mbce, "ac": self.loss_ac * ac}
        old = self.old(images)
        mbce, ac, kd = pixel_means(self.loss_maps, [out.logits_small, old.logits_small], [labels])
        return {"mbce": mbce, "ac": self.loss_ac * ac, "kd": self.loss_kd * kd} | self.decomposed(out, old)

    def loss_maps(self, logits: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        """mBCE, AC and, if the teacher's logits stand before the labels, KD of each pixel, (N, H, W) each."""
        *old_logits, labels = others
        num_old = max(self.step.num_old, 1)
        auxiliary, known, new = logits.split([1, num_old - 1, logits.shape[1] - num_old], dim=1)
        pos_weight = self.pos_weight if self.step.index else self.pos_weight_step0
        options = {"num_old": num_old, "pos_weight": pos_weight, "skip_ignored": self.skip_ignored}
        maps = [new_class_bce(new, labels, **options), softplus(auxiliary).squeeze(1)]
        return *maps, *(binary_distillation(known, old[:, 1:]) for old in old_logits)

    def decomposed(self, out: Output, old: Output) -> dict[str, Tensor]:
        """Distillation of the evidence for and against every old class, means over the cells of the head."""
        weight, old_weight = (
            torch.cat([classifier.weight for classifier in classifiers])
            for classifiers in (self.net.cls[1:-1], self.teacher.cls[1:])
        )
        pairs = zip(evidence(out.features, weight), evidence(old.features, old_weight), strict=True)
        losses = (self.loss_dkd * binary_distillation(new, target).mean() for new, target in pairs)
        return dict(zip(("dkd_pos", "dkd_neg"), losses, strict=True))
