"""What a network answers to a batch of images."""

from dataclasses import dataclass, field
from functools import cached_property

import torch.nn.functional as F
from torch import Tensor

from utils.losses.pixelwise import at_least_float32


@dataclass
class Output:
    """The result of a forward pass. A head that answers with more derives from it (see `modules.head.Head`).

    Attributes:
        logits_small: classifier outputs at head resolution (N, C, h, w).
        features: input of the classifiers (N, D, h, w).
        body: output of the backbone (N, B, h', w').
        attentions: named maps of the backbone's stages, for distillation.
        size: (H, W) of the images.
        extras: further outputs of a head or of a method's own network, by name; empty for the common one.
    """

    logits_small: Tensor
    features: Tensor
    body: Tensor
    attentions: dict[str, Tensor]
    size: tuple[int, int]
    extras: dict[str, Tensor] = field(default_factory=dict)

    @property
    def read(self) -> Tensor:
        """What the classifiers read of every cell (N, D, h, w)."""
        return self.features

    @cached_property
    def logits(self) -> Tensor:
        """Logits at image resolution (N, C, H, W), at least float32; computed when first read.

        Tests, pictures and `Method.predict` decide by them: the best class of each pixel wins.
        """
        small = at_least_float32(self.logits_small)
        return F.interpolate(small, size=self.size, mode="bilinear", align_corners=False)
