"""EIR: enhanced instance replay (CVPR 2025, arXiv 2503.22136), with a sigmoid per class."""

from torch import Tensor

from methods.eir_softmax import EIRSoftmax
from methods.sigmoid_heads import SigmoidHeads
from utils.labels import IGNORE
from utils.losses.pixel_means import pixel_means
from utils.losses.pixelwise import (
    binary_cross_entropy,
    multilabel_bce,
    num_with_target,
    sigmoid_pseudo_labels,
)


class EIR(SigmoidHeads, EIRSoftmax):
    """Single objects of old classes are stored, and pasted into new images, so that no context comes along.

    Confident predictions of the teacher replace background labels. As published: a sigmoid per class, a
    detached background classifier, and a wider head.

    Equation: L = BCE(z, mixed pseudo y), summed over classes + loss_kd RSKD(z, u)

    After step 0 the norms are frozen, and weight decay applies to the
    newest classifier only.
    """

    criterion = "bce"

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        if self.teacher is None:
            (bce,) = pixel_means(binary_cross_entropy, [self.model(images).logits_small], [labels])
            return {"bce": bce * labels.numel() / (labels != IGNORE).sum().clamp(min=1)}
        return super().losses(images, labels)

    def pseudo_labels(self, old_logits: Tensor, labels: Tensor) -> Tensor:
        return sigmoid_pseudo_labels(old_logits, labels, threshold=self.threshold)

    def classification(self, logits: Tensor, targets: Tensor, pseudo: Tensor) -> Tensor:
        return multilabel_bce(logits, targets)

    def num_counted(self, targets: Tensor) -> int | Tensor:
        return num_with_target(targets)
