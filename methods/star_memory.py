"""STAR-M: STAR (Chen et al., NeurIPS 2023) with a memory of old images."""

from typing import Annotated

from methods.dkd_memory import StepsView
from methods.star import STAR


class STARM(StepsView, STAR):
    """STAR, and old images as in DKD-M. What a step counts and gathers includes them."""

    mem_size: Annotated[int, "images of the memory, all old classes together (STAR-M)"] = 50

    step0_as = "STAR"
