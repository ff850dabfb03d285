"""ILT: incremental learning techniques (Michieli and Zanuttigh, ICCVW 2019), as in MiB's comparison."""

from typing import Annotated

from torch import Tensor

from methods.lwf import LWF
from segmentation_module import Output
from utils.losses.pixelwise import feature_distillation


class ILT(LWF):
    """LwF, which distils outputs, with the encoder's features tied to the teacher's as well.

    The distance is the mean squared difference over all channels and places. It holds the whole network back,
    old and new classes alike.

    Equation: L = CE(z, y) + loss_kd KD(z, u) + loss_de mean (f - f_old)^2
    """

    loss_de: Annotated[float, "weight of the features' difference (preset ILT of MiB and PLOP)"] = 100.0

    def incremental_losses(self, out: Output, old: Output, labels: Tensor) -> dict[str, Tensor]:
        de = feature_distillation(out.body, old.body)
        return super().incremental_losses(out, old, labels) | {"de": self.loss_de * de}
