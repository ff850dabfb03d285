"""MiB: modelling the background (Cermelli et al., CVPR 2020)."""

import math
from functools import partial
from typing import Annotated

import torch
from torch import Tensor

from methods.with_teacher import WithTeacher
from segmentation_module import Output
from utils.losses import unbiased_losses
from utils.pixel_means import pixel_means


class MiB(WithTeacher):
    """Unbiased losses: this step's background may be an old class, and the teacher's background a new one."""

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


@torch.no_grad()
def init_from_background(classifiers) -> None:
    """Start the newest rows where the background is, sharing its probability among them (MiB section 3.2).

    New weights are the background's; new biases and the background's own become b_bg - log(n_new + 1).
    """
    first, newest = classifiers[0], classifiers[-1]
    bias = first.bias[0] - math.log(newest.out_channels + 1)
    newest.weight.copy_(first.weight[:1].expand_as(newest.weight))
    newest.bias.fill_(bias)
    first.bias[0] = bias
