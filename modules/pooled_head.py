"""The head of image classification: one answer for the whole image."""

from functools import cached_property

from torch import Tensor, nn

from modules.head import Head
from modules.output import Output
from utils.losses.pixelwise import at_least_float32


class ImageOutput(Output):
    """An answer for each image as a whole, as large as its label map: one pixel."""

    @cached_property
    def logits(self) -> Tensor:
        """Logits (N, C, 1, 1), at least float32."""
        return at_least_float32(self.logits_small)


class PooledHead(Head):
    """The mean over the body's map: (N, B, h, w) -> (N, B, 1, 1). Only classifiers follow.

    What is per pixel elsewhere is per image behind it: losses, confusion matrix, statistics of features.
    """

    answers = "images"
    defaults = {"output_stride": 32}
    output = ImageOutput

    def __init__(self, channels: int):
        super().__init__()
        self.out_channels = channels

    @classmethod
    def fitting(cls, body: nn.Module, parts) -> "PooledHead":
        return cls(body.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True)
