"""ILT: incremental learning techniques (Michieli and Zanuttigh, ICCVW 2019), as in MiB's comparison."""

from typing import Annotated

from torch import Tensor

from methods.lwf import LWF
from segmentation_module import Output
from utils.losses.pixelwise import feature_distillation


class ILT(LWF):
    """LwF, and the encoder's features tied to the teacher's by their mean squared difference."""

    loss_de: Annotated[float, "weight of the features' difference (preset ILT of MiB and PLOP)"] = 100.0

    def incremental_losses(self, out: Output, old: Output, labels: Tensor) -> dict[str, Tensor]:
        de = feature_distillation(out.body, old.body)
        return super().incremental_losses(out, old, labels) | {"de": self.loss_de * de}
