"""RCIL: representation compensation networks (Zhang et al., CVPR 2022)."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated

import torch
from torch import Tensor

from methods.with_teacher import WithTeacher
from models import BACKBONES, backbone_name
from models.resnet import RESNETS
from modules import parallel
from modules.classifiers import init_weights_from_background
from modules.norms import NORMS
from segmentation_module import Output, Parts, SegmentationModel
from tasks import Step
from utils.losses.pixel_means import pixel_means
from utils.losses.pixelwise import cross_entropy, knowledge_distillation, unbiased_losses
from utils.losses.pooled_cube import pooled_cube_distillation


class RCIL(WithTeacher):
    """Every block has two branches: a frozen one, which keeps what was known, and one that learns.

    After a step both are merged into one convolution, so that the network does not grow. Distillation
    compares cubes of feature maps after pooling, along space and along channels; the losses are MiB's.

    Equation: L = MiB's L + pckd_maps, pckd_logits sum |P(h^2 - h_old^2)|_2, P: means over k x k cells
        + pckd_channel_maps, pckd_channel_features sum |Q(h^2 - h_old^2)|_2, Q: over 3 channels

    Tasks without new classes (domain-incremental) keep plain cross entropy beside the pooled cubes; without a
    background that hides classes, plain distillation of the old ones joins it (our extension). The four
    factors belong to the dataset; the defaults are those of VOC.
    """

    heads_supported = ("deeplab", "pooled")  # of the first it builds its own, with two branches

    loss_kd: Annotated[float, "weight of unbiased distillation (published scripts: 100)"] = 100.0
    pckd_maps: Annotated[float, "spatial pooled cube factor of stage maps and features (VOC; train.py)"] = (
        0.01
    )
    pckd_logits: Annotated[float, "spatial pooled cube factor of the logits (VOC; train.py)"] = 0.0005
    pckd_channel_maps: Annotated[float, "channel pooled cube factor of stage maps (VOC; train.py)"] = 0.01
    pckd_channel_features: Annotated[float, "channel pooled cube factor of the features (VOC)"] = 0.0005
    init_balanced: Annotated[bool, "start new weight rows from the background's; biases stay"] = True
    copy_merged: Annotated[bool, "start branch 2 from the merged one: a step starts at its teacher"] = False
    stem_activation: Annotated[bool, "activate the stem, which the published network does not"] = False
    merge_for_inference: Annotated[bool, "after the task's last step save one folded branch only"] = False

    def build_model(self, step: Step, parts: Parts) -> SegmentationModel:
        name = backbone_name(parts.backbone)
        if BACKBONES.get(name) not in RESNETS:
            names = ", ".join(known for known, builder in BACKBONES.items() if builder in RESNETS)
            raise ValueError(f"RCIL doubles convolutions of ResNets: --backbone can be {names}, not {name}")
        merged = step.index > 0
        block = partial(parallel.ParallelBlock, merged=merged)
        stem = "leaky_relu" if self.stem_activation else "identity"
        options = {**parts.options, "block": block, "stem_activation": stem}
        body = replace(parts, pretrained="", options=options).body()
        if parts.pretrained:
            body.load_pretrained(parts.pretrained, complete=parallel.both_branches)
        if parts.head_name != "deeplab":
            return SegmentationModel(body, parts.head(body), self.heads(step), precision=parts.precision)
        head = parallel.ParallelHead(
            body.out_channels,
            body.head_channels,
            output_stride=parts.output_stride,
            pooling=parts.pooling,
            norm=NORMS[parts.norm],
            merged=merged,
        )
        return SegmentationModel(body, head, self.heads(step), precision=parts.precision)

    def load_previous(self, state: Mapping[str, Tensor]) -> None:
        """Load the previous weights and merge both branches into branch 1; branch 2 stays as it is."""
        own = self.net.state_dict()
        biases = {name: torch.zeros_like(own[name]) for name in own if parallel.is_merged_bias(name)}
        # Step 0 leaves two branches with norms and without biases.
        merged = bool(biases.keys() & state.keys())
        if merged and not any(parallel.NEW in name for name in state):
            raise ValueError(
                "the previous step was folded for inference: it has no branch left to go on with"
            )
        super().load_previous(biases | dict(state))
        for unit in parallel.units(self.net):
            unit.merged = merged
            unit.merge()
            if self.copy_merged:
                unit.copy_merged()

    def start_increment(self, loader) -> None:
        if self.init_balanced and self.step.grows and self.step.has_background:
            init_weights_from_background(self.net.cls)
        for unit in parallel.units(self.net):
            convs, norm = unit.branch()
            self.net.freeze(*convs, norm)
        if self.teacher is not None:
            parallel.merge_for_inference(self.teacher)  # the same function, half its 3x3 convolutions

    def incremental_losses(self, out: Output, old: Output, labels: Tensor) -> dict[str, Tensor]:
        spatial, channel = self.pooled_cubes(old, out)
        pckd = {"pckd_spatial": spatial, "pckd_channel": channel}
        if not self.step.grows:
            (ce,) = pixel_means(cross_entropy, [out.logits_small], [labels])
            return {"ce": ce} | pckd
        both = [out.logits_small, old.logits_small]
        if not self.step.has_background:
            ce, kd = pixel_means(plain_losses, both, [labels])
            return {"ce": ce, "kd": self.loss_kd * kd} | pckd
        unce, unkd = pixel_means(unbiased_losses, both, [labels])
        return {"unce": unce, "unkd": self.loss_kd * unkd} | pckd

    def pooled_cubes(self, old: Output, out: Output) -> tuple[Tensor, Tensor]:
        """Spatial and channel part of pooled cube distillation, times sqrt(C / C_new)."""
        growth = math.sqrt(self.step.num_seen / self.step.num_new)
        stages = len(out.attentions)
        # Background takes in the logits of the new classes (see `pooled_cube_distillation`), if there is one.
        known = None if self.step.has_background else self.step.num_old
        maps = [[*o.attentions.values(), o.features, o.logits_small[:, :known]] for o in (old, out)]
        spatial = [self.pckd_maps] * (stages + 1) + [self.pckd_logits]
        channel = [self.pckd_channel_maps] * stages + [self.pckd_channel_features]
        along_space, along_channels = pooled_cube_distillation(*maps, spatial=spatial, channel=channel)
        return growth * along_space, growth * along_channels

    def end_increment(self, loader) -> None:
        if self.merge_for_inference and self.step.index == self.step.num_steps - 1:
            parallel.merge_for_inference(self.net)


def plain_losses(logits: Tensor, old_logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy, and distillation of the old classes, of each pixel: (N, H, W) both."""
    return cross_entropy(logits, labels), knowledge_distillation(logits, old_logits)
