"""LwF: learning without forgetting (Li and Hoiem, TPAMI 2018), as in MiB's comparison."""

from typing import Annotated

from torch import Tensor

from methods.with_teacher import WithTeacher
from segmentation_module import Output
from utils.losses.pixel_means import pixel_means
from utils.losses.pixelwise import cross_entropy, knowledge_distillation


class LWF(WithTeacher):
    """The network of the step before is the teacher: its softmax is the soft target of the old channels.

    New classes are learned from the labels at the same time. That the labels call old objects background is
    not corrected, so that the two terms contradict each other there.

    Equation: L = CE(z, y) + loss_kd KD(z, u), KD: CE of softmax(z_old) with softmax(alpha u)
    """

    loss_kd: Annotated[float, "weight of distillation (preset LWF of MiB and PLOP)"] = 100.0
    alpha: Annotated[float, "inverse temperature of the teacher's softmax (MiB --alpha)"] = 1.0

    def incremental_losses(self, out: Output, old: Output, labels: Tensor) -> dict[str, Tensor]:
        ce, kd = pixel_means(self.loss_maps, [out.logits_small, old.logits_small], [labels])
        return {"ce": ce, "kd": self.loss_kd * kd}

    def loss_maps(self, logits: Tensor, old_logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Cross entropy and distillation of each pixel, (N, H, W) both."""
        return cross_entropy(logits, labels), knowledge_distillation(logits, old_logits, alpha=self.alpha)
