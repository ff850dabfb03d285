"""The network of closed-form methods: classifiers that are computed, on features or random ones of them."""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.head import Head
from segmentation_module import SegmentationModel
from utils.losses.closed_form import expand
from utils.losses.pixelwise import at_least_float32


class NoHead(Head, nn.Identity):
    """The body's output as it is."""

    def __init__(self, channels: int):
        super().__init__()
        self.out_channels = channels


class WideHead(Head):
    """What computed classifiers see of a head's features f; in training mode f itself.

    Args:
        head: (N, B, h, w) -> (N, D, h, w), with attribute `out_channels` = D.
        num_random: random features relu(W f) in place of f, W uniform in +-1/sqrt(D); 0: f itself.
        unit_length: whether f is scaled to length 1 in every cell.
    """

    def __init__(self, head: Head, *, num_random: int = 0, unit_length: bool = False):
        super().__init__()
        self.head, self.unit_length, self.output = head, unit_length, head.output
        bound = head.out_channels**-0.5
        projection = torch.empty(num_random, head.out_channels).uniform_(-bound, bound)
        self.register_buffer("projection", projection)
        self.out_channels = num_random or head.out_channels

    def encode(self, body: Tensor, maps: Mapping[str, Tensor]) -> Tensor:  # (N, B, h, w)
        return self.widen(self.head.encode(body, maps))

    def forward(self, x: Tensor) -> Tensor:  # (N, B, h, w)
        return self.widen(self.head(x))

    def widen(self, features: Tensor) -> Tensor:  # (N, D, h, w)
        """The `features` f of the head as the classifiers see them."""
        if self.training:
            return features
        # In full precision: what is computed is not trained against any rounding.
        with torch.autocast(features.device.type, enabled=False):
            features = at_least_float32(features)
            features = F.normalize(features, dim=1) if self.unit_length else features
            return expand(features, self.projection) if len(self.projection) else features


class ClosedFormNet(SegmentationModel):
    """A network whose classifiers are computed, beside one that SGD may train in their place.

    Args:
        learner: rows of the classifier that is used in training mode, in place of all others; 0: none.
        sigmoid: whether the answer is the sigmoids of the classifiers' outputs, before up-sampling.
    """

    def __init__(
        self,
        body: nn.Module,
        head: WideHead,
        classifiers: list[int],
        *,
        learner: int = 0,
        sigmoid: bool = False,
        precision: str = "fp32",
    ):
        super().__init__(body, head, classifiers, precision=precision)
        for parameter in self.cls.parameters():
            nn.init.zeros_(parameter)
        self.learner = nn.Conv2d(head.head.out_channels, learner, 1) if learner else None
        self.sigmoid = sigmoid
        self.narrow: Callable[[Tensor], Tensor] | None = None  # in place of `answer`

    def answer(self, images: Tensor) -> Tensor:  # (N, 3, H, W) -> (N, D, h, w)
        """What the head makes of the images, before it is widened."""
        return self.head.head.encode(*self.body(images))

    def encode(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        if self.narrow is None:
            return super().encode(images)
        features = self.narrow(images)
        return features, {}, self.head.widen(features)

    def classify(self, features: Tensor) -> Tensor:
        if self.training and self.learner is not None:
            return self.learner(features)
        with torch.autocast(features.device.type, enabled=False):
            scores = super().classify(features)
        return scores.sigmoid() if self.sigmoid else scores

    @torch.no_grad()
    def set_classifiers(self, weight: Tensor, bias: Tensor) -> None:  # (C, B), (C,)
        """Take computed rows over, in the order of the classes."""
        sizes = [classifier.out_channels for classifier in self.cls]
        for classifier, rows, shifts in zip(self.cls, weight.split(sizes), bias.split(sizes), strict=True):
            classifier.weight.copy_(rows[:, :, None, None])
            classifier.bias.copy_(shifts)
