"""LwF-MC: LwF with a binary classifier per class (Rebuffi et al., CVPR 2017), as in MiB's comparison."""

from typing import Annotated

from torch import Tensor

from methods.base import Method
from utils.losses import binary_cross_entropy, binary_distillation
from utils.pixel_means import pixel_means


class LWFMC(Method):
    """Binary cross entropy of all channels with the label, and of the old ones with the teacher's sigmoids.

    On the old channels the two disagree by design: labels of this step call old classes background.
    """

    icarl_importance: Annotated[float, "weight of distillation (preset LWF-MC of MiB and PLOP)"] = 10.0

    needs_teacher = True
    shared_step0 = "binary cross entropy"

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits_small = self.model(images).logits_small
        if self.teacher is None:
            (bce,) = pixel_means(binary_cross_entropy, [logits_small], [labels])
            return {"bce": bce}
        bce, kd = pixel_means(loss_maps, [logits_small, self.old(images).logits_small], [labels])
        return {"bce": bce, "kd": self.icarl_importance * kd}


def loss_maps(logits: Tensor, old_logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Binary cross entropy and distillation of each pixel, (N, H, W) both."""
    return binary_cross_entropy(logits, labels), binary_distillation(logits, old_logits)
