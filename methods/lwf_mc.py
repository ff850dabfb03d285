"""LwF-MC: LwF with a binary classifier per class (Rebuffi et al., CVPR 2017), as in MiB's comparison."""

from typing import Annotated

from torch import Tensor

from methods.base import Method
from utils.losses import binary_cross_entropy, binary_distillation


class LWFMC(Method):
    """Binary cross entropy of all channels with the label, and of the old ones with the teacher's sigmoids.

    On the old channels the two disagree by design: labels of this step call old classes background.
    """

    icarl_importance: Annotated[float, "weight of distillation (preset LWF-MC of MiB and PLOP)"] = 10.0

    needs_teacher = True
    shared_step0 = "binary cross entropy"

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.model(images).logits
        losses = {"bce": binary_cross_entropy(logits, labels).mean()}
        if self.teacher is not None:
            kd = binary_distillation(logits, self.old(images).logits)
            losses["kd"] = self.icarl_importance * kd.mean()
        return losses
