"""NeST: new classifiers are tuned before training ("Early Preparation Pays Off", Xie et al., ECCV 2024)."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from dataset.loader import first_epochs
from methods.base import Method
from methods.mib import MiB
from methods.plop import PLOP
from segmentation_module import SegmentationModel
from utils.distributed import broadcast_object
from utils.losses.weight_transfer import WeightTransfer, pretune, vote


class NeST(Method):
    """Mixin: initialise new classifiers as tuned combinations of old ones, then train by the host method.

    Put it before the host: `class PLOPNeST(NeST, PLOP)`. Pre-tuning changes only the classifiers and the
    running statistics of the norms.
    """

    warm_epochs: Annotated[int, "epochs of pre-tuning (NeST scripts: 5 VOC, 15 ADE)"] = 5
    warm_lr_scale: Annotated[float, "times the step's lr, in pre-tuning (NeST scripts: 1 VOC, 500 ADE)"] = 1.0
    warm_background_bias: Annotated[bool, "start new biases at the background's, not at random"] = False
    warm_eval: Annotated[bool, "pre-tune in evaluation mode, so that norms keep their statistics"] = False
    # Not offered: after pre-tuning, which overwrites all that it sets, the published flag does nothing.
    init_balanced: ClassVar[bool] = False

    pretuned: bool = False  # True when resuming: the saved weights include it

    needs_teacher = True
    needs_background = True
    needs_new_classes = True

    def start_increment(self, loader) -> None:
        super().start_increment(loader)
        if self.pretuned:
            return
        weight, bias = old_classifiers(self.net)  # (K, D), (K,)
        importance, projection = vote(
            self.features(self.teacher, loader, num_epochs=1), weight, bias, num_new=self.step.num_new
        )
        start = bias[0] if self.warm_background_bias else self.random_bias()
        transfer = WeightTransfer(importance, projection, start.repeat(self.step.num_new)).to(weight.device)
        was_training = self.net.training
        self.net.train(not self.warm_eval)
        pretune(
            transfer,
            self.features(self.net, loader, num_epochs=self.warm_epochs),
            weight,
            bias,
            lr=self.training.lr * self.warm_lr_scale,
            iterations=self.warm_epochs * len(loader),
            weight_decay=self.training.weight_decay,
            power=self.training.lr_power,
        )
        self.net.train(was_training)
        set_classifiers(self.net, *transfer.classifiers(weight, bias))

    def state_dict(self) -> dict:
        return super().state_dict() | {"step": self.step.index}

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        self.pretuned = state.get("step") == self.step.index

    @staticmethod
    def features(net: SegmentationModel, loader, *, num_epochs: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Classifier inputs (N, D, h, w) and labels (N, H, W) of each batch; no graph is recorded."""
        for images, labels in first_epochs(loader, next(net.parameters()).device, num_epochs):
            with torch.no_grad():
                features = net(images).features
            yield features, labels

    def random_bias(self) -> Tensor:
        """The initial value of all new biases, the same on every process.

        Differs from NeST, which takes the background's bias of a network not yet loaded: this is the newest
        classifier's first, drawn from the same distribution.
        """
        bias = self.net.cls[-1].bias.detach()
        return bias.new_tensor(broadcast_object(bias[0].item()))


@torch.no_grad()
def old_classifiers(net: SegmentationModel) -> tuple[Tensor, Tensor]:
    """Copies of all weights (K, D) and biases (K,) but the newest step's."""
    old = net.cls[:-1]
    return torch.cat([cls.weight.flatten(1) for cls in old]), torch.cat([cls.bias for cls in old])


@torch.no_grad()
def set_classifiers(net: SegmentationModel, old: Tensor, new: Tensor, new_bias: Tensor) -> None:
    """Write old weights (K, D), and weights (C_new, D) and biases (C_new,) of the newest step into `net`."""
    rows = [*old.split([cls.out_channels for cls in net.cls[:-1]]), new]
    for classifier, weight in zip(net.cls, rows, strict=True):
        classifier.weight.copy_(weight[:, :, None, None])
    net.cls[-1].bias.copy_(new_bias)


class MiBNeST(NeST, MiB):
    """MiB on classifiers that NeST has tuned before training.

    Each new row is a learned mixture of all old ones, found in a few passes in which nothing else moves. It
    starts where the new classes are, so that the first iterations of the step break less of the old ones.

    Equation: w_new = sum_k (importance_k * w_k) projection_k, tuned by CE(z, y) for warm_epochs;
        then MiB's L
    """


class PLOPNeST(NeST, PLOP):
    """PLOP on classifiers that NeST has tuned before training.

    Each new row is a learned mixture of all old ones, found in a few passes in which nothing else moves. It
    starts where the new classes are, so that the first iterations of the step break less of the old ones.

    Equation: w_new = sum_k (importance_k * w_k) projection_k, tuned by CE(z, y) for warm_epochs;
        then PLOP's L
    """

    # Background is a row of the first classifier, so it keeps its pre-tuned weights.
    freeze_classifiers: Annotated[bool, "freeze old classifiers (--fix_pre_cls; NeST: VOC yes, ADE no)"] = (
        True
    )

    def start_increment(self, loader) -> None:
        super().start_increment(loader)
        if self.freeze_classifiers:
            self.net.freeze(*self.net.cls[:-1])
