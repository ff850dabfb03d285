"""BalConpas: pseudo masks, and queries that stay what they were for old objects (Chen et al., ECCV 2024)."""

from functools import partial
from typing import Annotated

from torch import Tensor

from methods.with_teacher import WithTeacher
from modules.mask_head import MaskOutput
from utils.losses.mask_classification import mixed_entropy
from utils.losses.mask_distillation import backtrace_distillation
from utils.masks.pseudo import from_memory, joined, ranked_masks


class BalConpas(WithTeacher):
    """The teacher's masks join those of the labels; queries that answer for them keep their features.

    Without a memory; images of one are known by their labels of old classes: they have no pseudo masks, and
    what they leave open is no loss.

    Equation: L = sum over predictions of (2 class + 5 mask + 5 dice + loss_kd mean over S of |x - x_old|^2),
        S: queries matched to the teacher's masks
    """

    loss_kd: Annotated[float, "weight of the distance between query features (BalConpas)"] = 5.0
    mask_overlap: Annotated[float, "share of its area that a teacher's query must win (BalConpas)"] = 0.8

    heads_supported = ("masks",)
    needs_new_classes = True

    def incremental_losses(self, out: MaskOutput, old: MaskOutput, labels: Tensor) -> dict[str, Tensor]:
        head, step = self.net.head, self.step
        # Background has no mask: it hides old classes, and its own comes from the teacher.
        labelled = head.targets(labels, 1, step.num_seen - 1)
        whole = from_memory(labelled, step.num_old - head.first)
        found = ranked_masks(
            old.class_logits[-1], old.masks[-1], labelled, overlap=self.mask_overlap, whole=whole
        )
        targets = joined(labelled, found, whole)
        criterion, logits = head.criterion, out.class_logits
        pairs = criterion.match(logits, out.masks, targets)
        losses = criterion.of_pairs(
            logits, out.masks, targets, pairs, class_loss=partial(mixed_entropy, whole=whole)
        )
        kept = backtrace_distillation(out.states, old.states, *pairs.of_first(targets, found))
        return head.named(losses) | {"kd": self.loss_kd * kept.sum()}
