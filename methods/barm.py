"""BARM: background adaptation with residual modelling (Zhang and Gao, ECCV 2024)."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn

from methods.with_teacher import WithTeacher
from modules.norms import NORMS, norms_of
from modules.residual_branches import Branch, unified
from segmentation_module import Output, Parts, SegmentationModel
from utils.labels import BACKGROUND, IGNORE
from utils.losses import background_correction as terms
from utils.losses.cells import Cells
from utils.losses.pixel_means import mean_within, pixel_means
from utils.losses.pixelwise import at_least_float32, binary_cross_entropy


class ResidualBranches(SegmentationModel):
    """A branch per step behind the common head, each with its classes and a correction of the background.

    In training it answers with the logits that the newest branch learns from, else with sigmoids. `extras`
    hold what the branches say on their own: "features_0", ... (N, D, h, w), and "raw_0", ... as in `unified`.
    """

    def __init__(
        self, body: nn.Module, head: nn.Module, classifiers: list[int], *, dropout: float, **options
    ):
        super().__init__(body, head, classifiers, **options)
        channels = head.out_channels
        self.dropout = nn.Dropout(dropout)
        self.branches = nn.ModuleList(Branch(channels, NORMS["bn_relu"]) for _ in classifiers)
        self.corrections = nn.ModuleList(nn.Conv2d(channels, 1, 1) for _ in classifiers[1:])
        for classifier in (*self.cls, *self.corrections):
            nn.init.kaiming_normal_(classifier.weight)

    def respond(self, features: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        features = self.dropout(features)
        own = [branch(features) for branch in self.branches]
        raw = [classifier(x) for classifier, x in zip(self.cls, own, strict=True)]
        for t, correction in enumerate(self.corrections, start=1):
            raw[t] = torch.cat([correction(own[t]), raw[t]], dim=1)
        logits = unified(raw, learning=self.training)
        extras = {f"features_{t}": x for t, x in enumerate(own)} | {f"raw_{t}": x for t, x in enumerate(raw)}
        return logits if self.training else logits.sigmoid(), extras

    def classify(self, features: Tensor) -> Tensor:
        return self.respond(features)[0]


class BARM(WithTeacher):
    """Each step adds a branch, which learns its classes and where they take the place of the background.

    Its first row corrects the background's logit: it is low on new classes, and not negative elsewhere. Old
    branches are held to the teacher's, and only the newest one learns from labels.

    Equation: L = BCE(z, pseudo y), newest branch + loss_bg max(1 - 2 sigmoid(b), 0) on background
        + loss_new softplus(b) on new classes + loss_features |f_j - f_j,old|^2 on background
        + loss_kd BCE(z_j, sigmoid(u_j)) over the old branches j

    After step 0 norms are frozen; those of new branches stay at mean 0 and
    variance 1, as published.
    """

    loss_bg: Annotated[float, "weight of the triplet on background (BARM)"] = 5.0
    loss_new: Annotated[float, "weight of the correction on new classes (BARM)"] = 1.0
    loss_features: Annotated[float, "weight of the distance between branch features (BARM)"] = 4.0
    loss_kd: Annotated[float, "weight of distillation of old branches (BARM)"] = 1.0
    threshold: Annotated[float, "sigmoid that makes the teacher's answer a label (BARM)"] = 0.7
    head_lr: Annotated[float, "learning rate of the head over the body's; at step 0 of all else (BARM)"] = (
        10.0
    )
    newest_lr: Annotated[float, "the same of the newest branch after step 0 (BARM: 10 VOC, 100 ADE20K)"] = (
        10.0
    )
    min_lr: Annotated[float, "what no learning rate falls below (BARM)"] = 1e-6
    dropout: Annotated[float, "dropout behind the head, at every step (BARM)"] = 0.1

    needs_background = True
    needs_new_classes = True
    step0_as = "BARM"

    def build_model(self, step, parts: Parts) -> SegmentationModel:
        body, options = parts.body(), {"dropout": self.dropout, "precision": parts.precision}
        return ResidualBranches(body, parts.head(body), self.heads(step), **options)

    def load_previous(self, state: Mapping[str, Tensor]) -> None:
        newest = (f"branches.{self.step.index}.", f"corrections.{self.step.index - 1}.")
        fresh = {key: value for key, value in self.net.state_dict().items() if key.startswith(newest)}
        super().load_previous(fresh | dict(state))

    def start_increment(self, loader) -> None:
        first, *_, newest = self.net.branches
        newest.copy_weights(first)
        self.net.freeze(*norms_of(self.net))

    def param_groups(self, lr: float, weight_decay: float) -> list[dict]:
        net, start = self.net, self.step.index == 0
        newest = [net.branches[-1], net.cls[-1], *net.corrections[-1:]]
        old = [*net.branches[:-1], *net.cls[:-1], *net.corrections[:-1]]
        rates = [(self.head_lr if start else self.newest_lr, newest), (self.head_lr, [net.head])]
        groups = []
        for factor, modules in [*rates, (1.0, [net.body, *old])]:
            trainable = [p for module in modules for p in module.parameters() if p.requires_grad]
            own = {"lr": factor * lr, "weight_decay": weight_decay, "min_lr": self.min_lr}
            groups.append({"params": trainable} | own)
        return groups

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        if self.teacher is not None:
            return super().losses(images, labels)
        logits, _ = self.said(self.model(images))
        (bce,) = pixel_means(binary_cross_entropy, [unified(logits, learning=True)], [labels])
        return {"bce": mean_within(bce, labels != IGNORE)}

    def incremental_losses(self, out: Output, old: Output, labels: Tensor) -> dict[str, Tensor]:
        num_old, (raw, features), (old_raw, old_features) = self.step.num_old, self.said(out), self.said(old)
        cells = Cells(labels.shape[-2:], raw[0].shape[-2:], labels.device).nearest(labels)
        background, new = cells == BACKGROUND, (cells >= num_old) & (cells != IGNORE)
        logits = terms.newest_alone(unified(raw, learning=True), num_old)
        loss_map = partial(terms.relabelled_bce, threshold=self.threshold)
        (bce,) = pixel_means(loss_map, [logits, unified(old_raw, learning=False)], [labels])
        correction, past = raw[-1][:, 0], len(old_raw)
        kept = terms.branch_features(features[:past], old_features, background)
        return {
            "bce": mean_within(bce, labels != IGNORE),
            "bg": self.loss_bg * terms.correction_on_background(correction, background),
            "new": self.loss_new * terms.correction_on_new(correction, new),
            "features": self.loss_features * kept,
            "kd": self.loss_kd * terms.branch_distillation(raw[:past], old_raw),
        }

    @staticmethod
    def said(out: Output) -> tuple[list[Tensor], list[Tensor]]:
        """Logits and features of each branch, in order, at least in float32."""
        count = len(out.extras) // 2
        return tuple(
            [at_least_float32(out.extras[f"{kind}_{t}"]) for t in range(count)]
            for kind in ("raw", "features")
        )
