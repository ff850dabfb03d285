"""EIR: enhanced instance replay (CVPR 2025, arXiv 2503.22136), with a sigmoid per class."""

from collections.abc import Mapping
from typing import Annotated

import torch
from torch import Tensor, nn

from methods.eir_softmax import EIRSoftmax
from modules.norms import NORMS
from modules.refined_head import RefinedHead
from segmentation_module import Parts, SegmentationModel
from tasks import Step
from utils.labels import BACKGROUND, IGNORE
from utils.losses.pixel_means import pixel_means
from utils.losses.pixelwise import (
    binary_cross_entropy,
    multilabel_bce,
    num_with_target,
    sigmoid_pseudo_labels,
)


class DetachedBackground(SegmentationModel):
    """A network whose background classifier passes no gradient on to the features (EIR's cls.0)."""

    def __init__(self, *parts, **options):
        super().__init__(*parts, **options)
        for classifier in self.cls:
            nn.init.kaiming_normal_(classifier.weight)

    def classify(self, features: Tensor) -> Tensor:
        first, *others = self.cls
        return torch.cat([first(features.detach()), *(classifier(features) for classifier in others)], dim=1)


class EIR(EIRSoftmax):
    """EIR as published: a sigmoid per class, a detached background classifier, and a wider head.

    L = BCE summed over classes + 5 RSKD. After step 0 the norms are frozen, and weight decay applies to the
    newest classifier only.
    """

    head_lr: Annotated[float, "learning rate of head and classifiers over the body's (EIR trainer)"] = 10.0
    dropout: Annotated[float, "dropout in the head at step 0; none later (EIR's DeepLabV3)"] = 0.1

    criterion = "bce"

    def heads(self, step: Step) -> list[int]:
        first, *others = step.sizes
        return [1, first - 1, *others]

    def build_model(self, step: Step, parts: Parts) -> SegmentationModel:
        body = parts.body()
        dropout = self.dropout if step.index == 0 else 0.0
        head = RefinedHead(parts.head(body), dropout=dropout, norm=NORMS[parts.norm])
        return DetachedBackground(body, head, self.heads(step), precision=parts.precision)

    def load_previous(self, state: Mapping[str, Tensor]) -> None:
        self.net.load_previous(state, new=self.step.index + 1)  # background has a classifier of its own

    def start_increment(self, loader) -> None:
        # A norm is what keeps running statistics: in-place, synchronised or plain, of any backbone.
        for module in self.net.modules():
            if "running_mean" in dict(module.named_buffers(recurse=False)):
                self.net.freeze(module)

    def param_groups(self, lr: float, weight_decay: float) -> list[dict]:
        net, decay_old = self.net, weight_decay if self.step.index == 0 else 0.0
        parts = [(net.body, lr, decay_old), (net.head, self.head_lr * lr, decay_old)]
        parts += [(classifier, self.head_lr * lr, decay_old) for classifier in net.cls[:-1]]
        parts += [(net.cls[-1], self.head_lr * lr, weight_decay)]
        groups = []
        for module, rate, decay in parts:
            trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
            groups.append({"params": trainable, "lr": rate, "weight_decay": decay})
        return groups

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

    def predict(self, logits: Tensor) -> Tensor:
        return sigmoid_decision(logits)


def sigmoid_decision(logits: Tensor) -> Tensor:  # (N, C, H, W) -> (N, H, W)
    """Class of the highest sigmoid if that exceeds 1/2, else background; channel 0 is not used (EIR)."""
    best, classes = logits[:, 1:].max(1)
    return torch.where(best > 0, classes + 1, BACKGROUND)
