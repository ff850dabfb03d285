"""CoMFormer: mask classification with pseudo masks and adaptive distillation (Cermelli et al., CVPR 2023)."""

from dataclasses import replace
from typing import Annotated

from torch import Tensor

from methods.with_teacher import WithTeacher
from modules.mask_head import MaskOutput
from segmentation_module import Parts, SegmentationModel
from tasks import Step
from utils.losses.mask_classification import focal_entropy
from utils.losses.mask_distillation import adaptive_distillation
from utils.masks.full_size import winner_rule
from utils.masks.pseudo import winners_masks


class CoMFormer(WithTeacher):
    """Masks compete for pixels, at step 0 too; later the teacher's masks join those of the labels.

    Each query keeps the classes of the teacher's same query, the more the surer that was of an object.
    In tests a pixel goes to its best query's class if that query covers it, else to background.

    Equation: L = sum over predictions of (2 focal + 5 mask + 5 dice)
        + loss_kd sum_i w_i KL(r_i || p_i) / sum_i w_i, w_i = (1 - r_i[no-object])^kd_gamma
    """

    loss_kd: Annotated[float, "weight of the distillation (README: 10; the script of 100-50: 0.5)"] = 10.0
    kd_gamma: Annotated[float, "power of 1 - the teacher's no-object that queries weigh by (CoMFormer)"] = 2.0
    threshold: Annotated[float, "score that a teacher's query must exceed to give a mask (CoMFormer)"] = 0.0

    heads_supported = ("masks",)
    needs_new_classes = True

    def build_model(self, step: Step, parts: Parts) -> SegmentationModel:
        net = super().build_model(step, parts)
        net.head.criterion = replace(net.head.criterion, softmask=True, class_loss=focal_entropy)
        net.head.rule = winner_rule
        return net

    def incremental_losses(self, out: MaskOutput, old: MaskOutput, labels: Tensor) -> dict[str, Tensor]:
        head, step = self.net.head, self.step
        old_logits = old.class_logits[-1]
        targets = head.targets(labels, step.num_old, step.num_seen - 1)
        found = winners_masks(old_logits, old.masks[-1], targets, softmask=True, threshold=self.threshold)
        targets = [own + more for own, more in zip(targets, found, strict=True)]
        losses = head.named(head.criterion(out.class_logits, out.masks, targets))
        kept = adaptive_distillation(out.class_logits[-1], old_logits, gamma=self.kd_gamma)
        return losses | {"kd": self.loss_kd * kept}
