"""STAR-M: STAR (Chen et al., NeurIPS 2023) with a memory of old images."""

from typing import Annotated

from methods.dkd_memory import StepsView
from methods.star import STAR


class STARM(StepsView, STAR):
    """STAR, and a memory of old images, used as in DKD-M.

    Its labels are as this step's would be. What a step counts and gathers includes them.

    Equation: L = STAR's L over images of the step and of the memory
    """

    mem_size: Annotated[int, "images of the memory, all old classes together (STAR-M)"] = 50

    step0_as = "STAR"
