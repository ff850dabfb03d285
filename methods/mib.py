"""MiB: modelling the background (Cermelli et al., CVPR 2020)."""

from functools import partial
from typing import Annotated

from torch import Tensor

from methods.with_teacher import WithTeacher
from modules.classifiers import init_from_background
from segmentation_module import Output
from utils.losses.pixel_means import pixel_means
from utils.losses.pixelwise import unbiased_losses


class MiB(WithTeacher):
    """What is background in this step's labels may be an old class, and the teacher's background a new one.

    The cross entropy lets old classes answer for background, and the distillation compares the teacher's
    background with the student's background and new classes together. New classifiers start from the
    background's, so that the probabilities of the step before are kept at its start.

    Equation: L = CE(z, y) with p_0 := p_0 + sum of p_old
        + loss_kd KD(z, u) with p_0 := p_0 + sum of p_new
    """

    loss_kd: Annotated[float, "weight of unbiased distillation (preset MiB of MiB and PLOP)"] = 10.0
    alpha: Annotated[float, "inverse temperature of the teacher's softmax (MiB --alpha)"] = 1.0
    init_balanced: Annotated[bool, "start new rows from the background's (MiB --init_balanced)"] = True

    needs_background = True
    needs_new_classes = True

    def start_increment(self, loader) -> None:
        if self.init_balanced:
            init_from_background(self.net.cls)

    def incremental_losses(self, out: Output, old: Output, labels: Tensor) -> dict[str, Tensor]:
        loss_maps = partial(unbiased_losses, alpha=self.alpha)
        unce, unkd = pixel_means(loss_maps, [out.logits_small, old.logits_small], [labels])
        return {"unce": unce, "unkd": self.loss_kd * unkd}


