"""LwF: learning without forgetting (Li and Hoiem, TPAMI 2018), as in MiB's comparison."""

from typing import Annotated

from torch import Tensor

from methods.base import Method
from utils.losses import cross_entropy, knowledge_distillation


class LWF(Method):
    """Cross entropy, and the teacher's softmax as soft target of the old channels."""

    loss_kd: Annotated[float, "weight of distillation (preset LWF of MiB and PLOP)"] = 100.0
    alpha: Annotated[float, "inverse temperature of the teacher's softmax (MiB --alpha)"] = 1.0

    needs_teacher = True

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        out = self.model(images)
        losses = {"ce": cross_entropy(out.logits, labels).mean()}
        if self.teacher is not None:
            losses |= self.distillation(out, self.old(images))
        return losses

    def distillation(self, out, old) -> dict[str, Tensor]:
        """Terms that tie the student's `Output` to the teacher's."""
        kd = knowledge_distillation(out.logits, old.logits, alpha=self.alpha)
        return {"kd": self.loss_kd * kd.mean()}
