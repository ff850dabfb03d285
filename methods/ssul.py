"""SSUL: semantic segmentation with unknown label (Cha et al., NeurIPS 2021)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor, nn

from dataset.saliency import SalientImages
from methods.base import Method
from methods.decision import competing
from modules.norms import NORMS
from modules.small_head import SmallHead
from segmentation_module import Parts, SegmentationModel
from tasks import Step
from utils.labels import BACKGROUND, IGNORE, SALIENT
from utils.losses.pixel_means import pixel_means
from utils.losses.pixelwise import at_least_float32, binary_cross_entropy, sigmoid_pseudo_labels

UNKNOWN = 0  # head and channel of what may become a class; background is the next one


class SmallHeads(SegmentationModel):
    """A network in which each classifier has a convolution of its own, with dropout before all of them."""

    def __init__(self, body, head, heads: list[int], *, norm: str, dropout: float, precision: str):
        super().__init__(body, head, heads, precision=precision)
        small = (SmallHead(head.out_channels, rows, norm=NORMS[norm]) for rows in heads)
        self.cls, self.dropout = nn.ModuleList(small), nn.Dropout(dropout)
        for module in (*self.head.modules(), *self.cls.modules()):
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def classify(self, features: Tensor) -> Tensor:
        return super().classify(self.dropout(features))


class SSUL(Method):
    """A network frozen after step 0, with a small head per step, a sigmoid per class, and a class "unknown".

    Unknown is what is background now and looks like an object; the head of new classes starts as a copy of
    its head. After step 0 the newest head and that of unknown train, and that of background hardly. Sure
    answers of the step before replace background.

    Equation: L = BCE(z, pseudo y), summed over channels, mean over counted pixels
    """

    threshold: Annotated[float, "sigmoid that makes the previous answer a label (SSUL --pseudo_thresh)"] = 0.7
    saliency: Annotated[
        str, "folder of saliency maps, ID.png, for VOC; without, all background is unknown (SSUL on ADE)"
    ] = ""
    body_lr: Annotated[float, "learning rate of the body over the heads', at step 0 (SSUL)"] = 0.1
    background_lr: Annotated[float, "that of the background's head over the others', later (SSUL)"] = 1e-4
    min_lr: Annotated[float, "what no learning rate falls below (SSUL: 1e-6 VOC, 0 ADE)"] = 1e-6
    dropout: Annotated[float, "dropout before the heads at step 0 (SSUL)"] = 0.1
    later_dropout: Annotated[float, "dropout before the heads after step 0 (SSUL's code: 0.1)"] = 0.0

    needs_teacher = True
    needs_background = True
    needs_new_classes = True

    def heads(self, step: Step) -> list[int]:
        first, *others = step.sizes
        return [1, 1, first - 1, *others]

    def build_model(self, step: Step, parts: Parts) -> SegmentationModel:
        body, dropout = parts.body(), self.later_dropout if step.index else self.dropout
        options = {"norm": parts.norm, "dropout": dropout, "precision": parts.precision}
        return SmallHeads(body, parts.head(body), self.heads(step), **options)

    def load_previous(self, state: Mapping[str, Tensor]) -> None:
        self.net.load_previous(state, new=self.step.index + 2)

    def train_set(self, data):
        return SalientImages(data.train, Path(self.saliency)) if self.saliency else data.train

    def start_increment(self, loader) -> None:
        net = self.net
        unknown, background, *known, newest = net.cls
        newest.start_as(unknown)
        net.freeze(net.body, net.head, *known, *(head[1] for head in (unknown, background, newest)))
        net.fold_frozen()
        self.teacher.body, self.teacher.head = net.body, net.head  # they are equal: room for one is enough

    def from_features(self) -> bool:
        return self.step.index > 0

    def param_groups(self, lr: float, weight_decay: float) -> list[dict]:
        net = self.net
        parts = [(net.body, self.body_lr), (net.head, 1.0), *((head, 1.0) for head in net.cls)]
        if self.step.index:
            parts = [(head, 1.0) for head in net.cls]
            parts[UNKNOWN + 1] = (net.cls[UNKNOWN + 1], self.background_lr)
        shared = {"weight_decay": weight_decay, "min_lr": self.min_lr}
        return [
            {"params": [p for p in module.parameters() if p.requires_grad], "lr": share * lr, **shared}
            for module, share in parts
        ]

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        out = self.model(images)
        small = [out.logits_small]
        if self.teacher is not None:
            with torch.no_grad():  # body and head are the same, so that the old heads alone are to be asked
                small.append(self.teacher.classify(at_least_float32(out.features)))
        return {"bce": self.bce(small, with_unknown(labels, saliency=bool(self.saliency)))}

    def bce(self, small: list[Tensor], targets: Tensor) -> Tensor:  # (N, C, h, w), (N, H, W)
        """Mean over the pixels that are not ignored, of logits alone or with those of the step before."""
        (bce,) = pixel_means(self.loss_map, small, [targets])
        return bce * targets.numel() / (targets != IGNORE).sum().clamp(min=1)

    def loss_map(self, logits: Tensor, *others: Tensor) -> Tensor:
        """BCE of each pixel (N, H, W), with labels that the old logits, if there are any, complete."""
        *old_logits, labels = others
        for old in old_logits:
            labels = sigmoid_pseudo_labels(old, labels, threshold=self.threshold, first=UNKNOWN + 2)
        return binary_cross_entropy(logits, labels)

    @competing(leading=2, squashed=torch.sigmoid)
    def predict(self, logits: Tensor) -> Tensor:
        return best_with_unknown(logits)


def with_unknown(labels: Tensor, *, saliency: bool) -> Tensor:  # (N, H, W)
    """Channel of each label: unknown 0, background 1, class c at c + 1; IGNORE stays (SSUL).

    With `saliency` what is SALIENT is unknown, without it all background.
    """
    unknown = SALIENT if saliency else BACKGROUND
    shifted = (labels + 1).masked_fill(labels == IGNORE, IGNORE)
    return shifted.masked_fill(labels == unknown, UNKNOWN)


def best_with_unknown(logits: Tensor) -> Tensor:  # (N, C + 1, H, W) -> (N, H, W)
    """Class with the highest sigmoid; unknown adds its own to background's (SSUL). Ties go to the smaller."""
    unknown, background, classes = logits.sigmoid().split([1, 1, logits.shape[1] - 2], dim=1)
    return torch.cat([unknown + background, classes], dim=1).max(1).indices
