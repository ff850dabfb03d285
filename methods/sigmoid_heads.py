"""What the methods with a sigmoid per class share (DKD, EIR, STAR): network, norms, rates and decision."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from methods.base import Method
from methods.decision import competing
from modules.norms import NORMS, norms_of
from modules.refined_head import RefinedHead
from segmentation_module import Parts, SegmentationModel
from tasks import Step
from utils.labels import BACKGROUND


class DetachedBackground(SegmentationModel):
    """A network whose background classifier passes no gradient on to the features (cls.0 of DKD, EIR)."""

    def __init__(self, *parts, **options):
        super().__init__(*parts, **options)
        for classifier in self.cls:
            nn.init.kaiming_normal_(classifier.weight)

    def classify(self, features: Tensor) -> Tensor:
        first, *others = self.cls
        return torch.cat([first(features.detach()), *(classifier(features) for classifier in others)], dim=1)


class SilentBackground(SegmentationModel):
    """A network whose background logit is 0 everywhere: a class wins where its sigmoid exceeds one half."""

    def __init__(self, *parts, **options):
        super().__init__(*parts, **options)
        for classifier in self.cls[1:]:
            nn.init.kaiming_normal_(classifier.weight)
        nn.init.zeros_(self.cls[0].weight)
        nn.init.zeros_(self.cls[0].bias)
        self.freeze(self.cls[0])


class SigmoidHeads(Method):
    """A classifier of background beside the network, a wider head, and a decision by the best sigmoid.

    After step 0 norms are frozen, dropout is off, and only the newest classifier decays.
    """

    head_lr: Annotated[float, "learning rate of head and classifiers over the body's (DKD, EIR, STAR)"] = 10.0
    dropout: Annotated[float, "dropout in the head at step 0; none later (DKD, EIR, STAR)"] = 0.1

    network: ClassVar[type[SegmentationModel]] = DetachedBackground
    last_norm: ClassVar[str] = ""  # key of NORMS, behind the head's last convolution; "": that of the network

    def heads(self, step: Step) -> list[int]:
        first, *others = step.sizes
        return [1, first - 1, *others]

    def build_model(self, step: Step, parts: Parts) -> SegmentationModel:
        body = parts.body()
        dropout = self.dropout if step.index == 0 else 0.0
        norm = NORMS[self.last_norm or parts.norm]
        head = RefinedHead(parts.head(body), dropout=dropout, norm=norm)
        return self.network(body, head, self.heads(step), precision=parts.precision)

    def load_previous(self, state: Mapping[str, Tensor]) -> None:
        self.net.load_previous(state, new=self.step.index + 1)  # background has a classifier of its own

    def start_increment(self, loader) -> None:
        super().start_increment(loader)
        self.net.freeze(*norms_of(self.net))

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

    @competing(leading=1)
    def predict(self, logits: Tensor) -> Tensor:
        return sigmoid_decision(logits)


def sigmoid_decision(logits: Tensor) -> Tensor:  # (N, C, H, W) -> (N, H, W)
    """Class of the best sigmoid if that exceeds 1/2, else background; channel 0 is not used (DKD, EIR)."""
    best, classes = logits[:, 1:].max(1)
    return torch.where(best > 0, classes + 1, BACKGROUND)
