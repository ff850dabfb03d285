"""LDA: linear discriminant analysis of frozen foundation features, without any training (own baseline)."""

from typing import Annotated

from torch import Tensor

from methods.prototypes import Prototypes
from tasks import Step
from utils.losses.closed_form import linear_discriminant


class LDA(Prototypes):
    """Classes are Gaussians of a frozen backbone's features, with means of their own and one covariance.

    Means and covariance add up over steps, in one pass each. Background is as with PROTOTYPES: learned at
    step 0 only.

    Equation: class = argmax_c mean_c^T S^-1 f - mean_c^T S^-1 mean_c / 2, S = (1 - shrinkage) covariance
        + shrinkage (trace / D) I
    """

    shrinkage: Annotated[float, "share of the covariance that becomes a multiple of the identity"] = 1e-4
    unit_length: Annotated[bool, "scale the features of every cell to length 1 first"] = False
    priors: Annotated[bool, "expect classes as often as seen, not all equally often"] = False

    with_products = True
    step0_as = "LDA"

    def __init__(self, step: Step, **hyper):
        super().__init__(step, **hyper)
        if not 0 < self.shrinkage <= 1:
            raise ValueError(f"--shrinkage {self.shrinkage} must be above 0 and at most 1; try 0.0001")

    def head_options(self) -> dict:
        return {"unit_length": self.unit_length}

    def solve(self) -> tuple[Tensor, Tensor]:
        return linear_discriminant(self.moments, shrinkage=self.shrinkage, priors=self.priors)
