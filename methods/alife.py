"""ALIFE: adaptive logit regulariser and feature replay (Oh et al., NeurIPS 2022), without its memory."""

from typing import Annotated

from torch import Tensor

from methods.with_teacher import WithTeacher
from modules.classifiers import init_from_background
from modules.norms import norms_of
from segmentation_module import Output
from utils.labels import BACKGROUND
from utils.losses.adaptive_logits import adaptive_losses
from utils.losses.pixel_means import mean_within, pixel_means


class ALIFE(WithTeacher):
    """Background pixels answer to the teacher's whole softmax, and never to one class.

    So no wrong label is believed where the teacher is not sure. Everywhere else the old channels are
    distilled as in LwF.

    Equation: L = CE(z, y) on new classes + ali (logsumexp(z) - sum_c q_c z_c) on background
        + kd KD(z, u) elsewhere, q = softmax(u)

    The cross entropy is a mean
    over all pixels, the others over their own, as published. After step 0 all norms are frozen.
    """

    ali: Annotated[float, "weight of the adaptive logit regulariser (ALIFE's configs: 1 to 5)"] = 1.0
    kd: Annotated[float, "weight of distillation (ALIFE's configs: 1, 10; ADE20K 50-50: 20)"] = 1.0

    needs_background = True
    needs_new_classes = True

    def start_increment(self, loader) -> None:
        init_from_background(self.net.cls)
        self.net.freeze(*norms_of(self.net))

    def incremental_losses(self, out: Output, old: Output, labels: Tensor) -> dict[str, Tensor]:
        ce, ali, kd = pixel_means(adaptive_losses, [out.logits_small, old.logits_small], [labels])
        background = labels == BACKGROUND
        # Differs from ALIFE: without any such pixel its means are of nothing, NaN.
        ali, kd = mean_within(ali, background), mean_within(kd, ~background)
        return {"ce": ce, "ali": self.ali * ali, "kd": self.kd * kd}
