"""The network of closed-form methods: classifiers that are computed, on features or random ones of them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segmentation_module import SegmentationModel
from utils.losses.closed_form import expand
from utils.losses.pixelwise import at_least_float32


class NoHead(nn.Identity):
    """The body's output as it is."""

    def __init__(self, channels: int):
        super().__init__()
        self.out_channels = channels


class ClosedFormNet(SegmentationModel):
    """A network whose classifiers are computed, from features of its own or from many random ones.

    Args:
        learner: rows of a classifier that SGD trains, used in training mode in place of all others; 0: none.
        num_random: random features relu(W f) in place of f, W uniform in +-1/sqrt(D); 0: f itself.
        unit_length: whether f is scaled to length 1 in every cell.
        sigmoid: whether the answer is the sigmoids of the classifiers' outputs, before up-sampling.
    """

    def __init__(
        self,
        body: nn.Module,
        head: nn.Module,
        classifiers: list[int],
        *,
        learner: int = 0,
        num_random: int = 0,
        unit_length: bool = False,
        sigmoid: bool = False,
        precision: str = "fp32",
    ):
        # Drawn before the classifiers, so that it does not depend on their number.
        bound = head.out_channels**-0.5
        projection = torch.empty(num_random, head.out_channels).uniform_(-bound, bound)
        super().__init__(body, head, classifiers, precision=precision)
        self.register_buffer("projection", projection)
        width = num_random or head.out_channels
        self.cls = nn.ModuleList(nn.Conv2d(width, rows, 1) for rows in classifiers)
        for parameter in self.cls.parameters():
            nn.init.zeros_(parameter)
        self.learner = nn.Conv2d(head.out_channels, learner, 1) if learner else None
        self.unit_length, self.sigmoid = unit_length, sigmoid

    def encode(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        body, attentions, features = super().encode(images)
        return body, attentions, features if self._learns() else self.widen(features)

    def widen(self, features: Tensor) -> Tensor:  # (N, D, h, w) -> (N, B, h, w)
        """What the classifiers see, in full precision: they are not trained against any rounding."""
        with torch.autocast(features.device.type, enabled=False):
            features = at_least_float32(features)
            features = F.normalize(features, dim=1) if self.unit_length else features
            return expand(features, self.projection) if len(self.projection) else features

    def classify(self, features: Tensor) -> Tensor:
        if self._learns():
            return self.learner(features)
        with torch.autocast(features.device.type, enabled=False):
            scores = super().classify(features)
        return scores.sigmoid() if self.sigmoid else scores

    def _learns(self) -> bool:
        return self.training and self.learner is not None

    @torch.no_grad()
    def set_classifiers(self, weight: Tensor, bias: Tensor) -> None:  # (C, B), (C,)
        """Take computed rows over, in the order of the classes."""
        sizes = [classifier.out_channels for classifier in self.cls]
        for classifier, rows, shifts in zip(self.cls, weight.split(sizes), bias.split(sizes), strict=True):
            classifier.weight.copy_(rows[:, :, None, None])
            classifier.bias.copy_(shifts)
