"""UCD: uncertainty-aware contrastive distillation (Yang et al., TPAMI 2022)."""

from typing import Annotated

from torch import Tensor

from methods.mib import MiB
from segmentation_module import Output
from utils.losses.contrastive import choose_pixels, pixel_contrast, spatial_attention
from utils.losses.pixelwise import at_least_float32


class UCD(MiB):
    """MiB, and a contrast that pulls pixels of one class together, across student and teacher.

    Background pixels take the teacher's class; how much a pair counts is the probability that the teacher
    gives both pixels the same class, or 1 where this step's labels decide. The features are weighted by their
    energy before they are compared, as published, which comparing directions then undoes.
    """

    contrast: Annotated[float, "weight of the contrast (cssegmentation, as published)"] = 0.01
    temperature: Annotated[float, "of the contrast's similarities (cssegmentation, as published)"] = 0.07

    def incremental_losses(self, out: Output, old: Output, labels: Tensor) -> dict[str, Tensor]:
        pixels = choose_pixels(
            spatial_attention(at_least_float32(out.features)),
            spatial_attention(at_least_float32(old.features)),
            at_least_float32(old.logits_small),
            labels,
            max_label=self.step.num_seen - 1,
        )
        contrast = self.contrast * pixel_contrast(pixels, temperature=self.temperature)
        return super().incremental_losses(out, old, labels) | {"contrast": contrast}
