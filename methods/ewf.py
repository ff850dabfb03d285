"""EWF: endpoints weight fusion (Xiao et al., CVPR 2023)."""

from collections.abc import Mapping
from typing import Annotated

from torch import Tensor

from methods.base import Method
from methods.dkd import DKD
from methods.mib import MiB
from methods.plop import PLOP
from tasks import Step
from utils.weights import fuse, share_of_new


class EWF(Method):
    """Mixin: a step trains as the host does; then its network is averaged with that of the step before.

    Stands before the host: `class MiBEWF(EWF, MiB)`. The fused network is what is tested, and what the next
    step begins with, as student and as teacher. Parameters, statistics of norms and old classifiers are
    fused, with the weights of the step before as its file has them; new classifiers stay as trained.
    """

    fuse_share: Annotated[
        float, "of all weights, those that moved most, to be fused; 1: all (EWF --threshold_choice: 0.45)"
    ] = 1.0

    needs_new_classes = True

    before: Mapping[str, Tensor] | None = None  # the network of the step before; None at step 0

    def __init__(self, step: Step, **hyper):
        super().__init__(step, **hyper)
        if not 0 < self.fuse_share <= 1:
            raise ValueError(f"--fuse_share {self.fuse_share}: give a share above 0, up to 1")

    def load_previous(self, state: Mapping[str, Tensor]) -> None:
        super().load_previous(state)
        self.before = state

    def end_increment(self, loader) -> None:
        super().end_increment(loader)
        if self.before is None:
            return
        weight = share_of_new(self.step.num_old, self.step.num_new)
        self.net.load_state_dict(fuse(self.before, self.net.state_dict(), weight, share=self.fuse_share))


class MiBEWF(EWF, MiB):
    """A step trains as MiB does; then its network is averaged with that of the step before.

    The share of the new network grows with the share of classes that the step brings. The mean is what is
    tested, and what the next step begins with, as student and as teacher.

    Equation: MiB's L; at the end theta := (1 - a) theta_old + a theta, a = sqrt(new / (new + old classes))
    """

    step0_as = "FT"  # there is nothing to fuse with


class PLOPEWF(EWF, PLOP):
    """A step trains as PLOP does; then its network is averaged with that of the step before.

    The share of the new network grows with the share of classes that the step brings. The mean is what is
    tested, and what the next step begins with, as student and as teacher.

    Equation: PLOP's L; at the end theta := (1 - a) theta_old + a theta, a = sqrt(new / (new + old classes))
    """

    step0_as = "FT"


class DKDEWF(EWF, DKD):
    """A step trains as DKD does; then its network is averaged with that of the step before.

    The share of the new network grows with the share of classes that the step brings. The mean is what is
    tested, and what the next step begins with, as student and as teacher.

    Equation: DKD's L; at the end theta := (1 - a) theta_old + a theta, a = sqrt(new / (new + old classes))
    """

    step0_as = "DKD"
