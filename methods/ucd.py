"""UCD: uncertainty-aware contrastive distillation (Yang et al., TPAMI 2022)."""

from typing import Annotated

from torch import Tensor

from methods.mib import MiB
from segmentation_module import Output
from utils.losses.contrastive import choose_pixels, pixel_contrast, spatial_attention
from utils.losses.pixelwise import at_least_float32


class UCD(MiB):
    """MiB, and a contrastive loss between pixels of student and teacher.

    Features of one class are drawn together and those of others apart, the student's and the teacher's alike.
    Each pair counts by the probability, as the teacher sees it, that both pixels are of one class.

    Equation: L = MiB's L + contrast mean over positive pairs of
        -w [s - log(exp(s) + sum of exp(s) over negatives)], s = cosine / temperature

    Background pixels take the teacher's class. A pair is weighted by the probability that the teacher gives
    both pixels the same class, or 1 where both have a label of this step. As published, the features are
    first weighted by their energy, which has no effect because they are normalised before the comparison.
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
