"""LwF-MC: LwF with a binary classifier per class (Rebuffi et al., CVPR 2017), as in MiB's comparison."""

from typing import Annotated

from torch import Tensor

from methods.with_teacher import WithTeacher
from segmentation_module import Output
from utils.losses.pixel_means import pixel_means
from utils.losses.pixelwise import binary_cross_entropy, binary_distillation


class LWFMC(WithTeacher):
    """Every class is a sigmoid of its own: binary cross entropy of all channels with the label.

    The old channels are tied to the teacher's sigmoids as well. On them the two disagree by design: this
    step's labels have background there.

    Equation: L = BCE(z, y) + icarl_importance BCE(z_old, sigmoid(u))
    """

    icarl_importance: Annotated[float, "weight of distillation (preset LWF-MC of MiB and PLOP)"] = 10.0

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        if self.teacher is None:
            (bce,) = pixel_means(binary_cross_entropy, [self.model(images).logits_small], [labels])
            return {"bce": bce}
        return super().losses(images, labels)

    def incremental_losses(self, out: Output, old: Output, labels: Tensor) -> dict[str, Tensor]:
        bce, kd = pixel_means(loss_maps, [out.logits_small, old.logits_small], [labels])
        return {"bce": bce, "kd": self.icarl_importance * kd}


def loss_maps(logits: Tensor, old_logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Binary cross entropy and distillation of each pixel, (N, H, W) both."""
    return binary_cross_entropy(logits, labels), binary_distillation(logits, old_logits)
