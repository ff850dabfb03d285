"""What closed-form methods share: a frozen network, one pass over each step's images, a solved classifier."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from dataset.loader import first_epochs
from methods.base import Method
from methods.closed_form_net import ClosedFormNet, NoHead, WideHead
from modules.heads import HEADS, PUBLISHED
from segmentation_module import Output, Parts, SegmentationModel
from utils.losses.moments import Moments

IMAGES = 8  # looked at together: with thousands of channels, whole batches would not fit into memory


class ClosedForm(Method, ABC):
    """Moments of all cells seen so far, and the classifiers that follow from them.

    Nothing depends on how the data are cut into steps, batches and processes, but for what labels hide.
    """

    gathers_at_step0 = True
    with_products: ClassVar[bool] = True
    sigmoid: ClassVar[bool] = False  # whether scores are sigmoids, before they are up-sampled
    balance: bool = False  # whether products are kept of each class
    sgd: bool = False  # whether the network of step 0 is trained; else the body stays what it is

    moments: Moments | None = None  # up to this step; before it is learned, up to the step before

    @abstractmethod
    def solve(self) -> tuple[Tensor, Tensor]:
        """Weights (C, B) and biases (C,) from `moments`."""

    def head_options(self) -> dict:
        """Of the `WideHead`."""
        return {}

    def build_model(self, step, parts: Parts) -> SegmentationModel:
        body, head_name = parts.body(), parts.head_name
        by_image = HEADS[head_name].answers == "images"  # a mean, which has nothing to train
        if not self.sgd and not by_image and head_name != PUBLISHED:
            raise ValueError(f"{self.registered} without SGD builds no head: leave out --head {head_name}")
        head = parts.head(body) if self.sgd or by_image else NoHead(body.out_channels)
        learner = step.num_new if self.sgd and step.index == 0 else 0
        net = ClosedFormNet(
            body,
            WideHead(head, **self.head_options()),
            self.heads(step),
            learner=learner,
            sigmoid=self.sigmoid,
            precision=parts.precision,
        )
        net.freeze(*([net.cls] if learner else [net.body, net.head]))
        return net

    def load_previous(self, state: Mapping[str, Tensor]) -> None:
        super().load_previous({key: x for key, x in state.items() if not key.startswith("learner.")})

    def start_increment(self, loader) -> None:
        kept = len(self.moments.products) if self.moments else None
        if kept not in (None, self.num_products(self.step.num_old)):
            raise ValueError("--balance is for all steps of a task: the step before has it otherwise")

    def num_products(self, num_classes: int) -> int:
        """Matrices of products that are kept of so many classes."""
        return (num_classes if self.balance else 1) if self.with_products else 0

    def fit_step(self, loader) -> bool:
        if self.net.learner is not None:
            return False
        self.learn(loader)
        return True

    def end_increment(self, loader) -> None:
        if self.net.learner is not None:  # SGD has trained the network; its classifier is not needed any more
            self.learn(loader)

    def learn(self, loader) -> None:
        """Gather the step's cells and compute the classifiers anew.

        Raises:
            FloatingPointError: if the network gives features that are not finite.
        """
        moments = self.gather(loader).reduce()
        if not moments.finite():
            raise FloatingPointError("the features are not finite: use --precision fp32, or other weights")
        if self.moments is not None:
            moments += self.moments
        self.moments = moments
        self.net.set_classifiers(*self.solve())

    @torch.no_grad()
    def gather(self, loader) -> Moments:
        """Of all images of `loader` that this process has, in one pass, as augmented in the first epoch."""
        net, num_seen = self.net, self.step.num_seen
        weight = net.cls[0].weight
        products = self.num_products(num_seen)
        moments = Moments.zeros(num_seen, weight.shape[1], num_products=products, device=weight.device)
        was_training = net.training
        net.eval()
        net.narrow = self.kept and self.kept(net.answer, net.body, net.head.head)
        for images, labels in first_epochs(loader, weight.device, complete=True):
            for some, theirs in zip(images.split(IMAGES), labels.split(IMAGES), strict=True):
                out = net(some)
                moments.add(out.features, self.targets(theirs, out))
        net.narrow = None
        net.train(was_training)
        return moments

    def targets(self, labels: Tensor, out: Output) -> Tensor:  # (N, H, W)
        """The labels that count, (N, H, W); `out` is the network's answer, with the step before's classes."""
        return labels

    def state_dict(self) -> dict:
        return self.moments.state_dict() if self.moments else {}

    def load_state_dict(self, state: dict) -> None:
        self.moments = Moments.from_state(state) if state else None
