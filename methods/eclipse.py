"""ECLIPSE: a frozen network, and queries that come with each step (Kim et al., CVPR 2024)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor, nn

from methods.base import Method
from modules.prompted_mask_head import PromptedMaskHead
from modules.prompts import ClassMLP
from segmentation_module import Parts, SegmentationModel
from tasks import Step
from utils.losses.mask_classification import sigmoid_focal
from utils.masks.full_size import sigmoid_rule


class ECLIPSE(Method):
    """After step 0 the newest prompts, their classifier and that of no-object train; all else is frozen.

    A step has as many prompts as classes. Classes are sigmoids with a focal loss, weight 2 at step 0. In
    tests the no-object of a step's queries is derived from what they think of the other steps' classes.

    Equation: L = class_weight focal + 5 mask + 5 dice of the newest prompts' first and last prediction;
        in tests no-object := logit(delta min(1, sum of sigmoid(z_c) over classes of other steps))
    """

    delta_first: Annotated[float, "how step 0's queries derive no-object (ECLIPSE: 100-10, 100-5)"] = 0.1
    delta: Annotated[float, "how later steps' prompts do (ECLIPSE: 0.7 at 100-10, 0.8 at 100-5)"] = 0.7
    prompts: Annotated[int, "queries of each later step, 0: as many as classes, as published (ECLIPSE)"] = 0
    class_weight: Annotated[float, "weight of the classes after step 0 (ECLIPSE)"] = 10.0

    heads_supported = ("masks",)
    needs_new_classes = True

    def build_model(self, step: Step, parts: Parts) -> SegmentationModel:
        body = parts.body()
        head = PromptedMaskHead.fitting(body, parts)
        rows = self.heads(step)
        deltas = [self.delta_first] + [self.delta] * step.index
        head.grow([rows[0] - head.first, *rows[1:]], deltas, prompts=self.prompts)
        weights = (self.class_weight if step.index else 2.0, 5.0, 5.0)
        head.criterion = replace(head.criterion, class_loss=sigmoid_focal, weights=weights)
        head.rule, head.probabilities = sigmoid_rule, torch.sigmoid
        net = SegmentationModel(body, head, rows, precision=parts.precision)
        net.cls = nn.ModuleList(ClassMLP(head.out_channels, count) for count in rows)
        return net

    def load_previous(self, state: Mapping[str, Tensor]) -> None:
        newest = f"head.prompts.{self.step.index - 1}."
        fresh = {key: value for key, value in self.net.state_dict().items() if key.startswith(newest)}
        super().load_previous(fresh | dict(state))

    def start_increment(self, loader) -> None:
        net, head = self.net, self.net.head
        *old, newest = head.prompts
        newest.start_from(head.decoder)
        net.cls[-1].start_as(head.void)
        # Differs from ECLIPSE: norms of the body are frozen, too; there they move on in every step.
        net.freeze(net.body, head.pixel_decoder, head.decoder, *old, *net.cls[:-1])

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        out, head, step = self.model(images), self.net.head, self.step
        first = step.num_old if step.index else head.first
        targets = head.targets(labels, first, step.num_seen - 1)
        return head.named(head.criterion(out.class_logits, out.masks, targets))
