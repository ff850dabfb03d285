"""DFT*: direct fine-tuning with frozen backbone and classifiers and pre-allocated rows (arXiv 2508.04267)."""

from typing import Annotated

from methods.base import Method
from tasks import Step


class DFTStar(Method):
    """Backbone and head are frozen after step 0, and so are the classifiers of earlier steps.

    Every class has its row from step 0 on, and learns there as a negative what it is not. A later step then
    trains the rows of its own and of future classes only: some thousand weights, and no old network.

    Equation: L = CE(z, y), z over the classes of all steps; the gradient reaches the rows of steps >= t only
    """

    freeze_backbone: Annotated[bool, "freeze backbone and head after step 0 (--fix_backbone)"] = True
    freeze_classifiers: Annotated[bool, "freeze earlier steps' classifiers (--fix_pre_cls)"] = True
    pre_allocate: Annotated[bool, "give every class its row from step 0 on (--pre_allocate)"] = True

    def heads(self, step: Step) -> list[int]:
        return step.all_sizes if self.pre_allocate else step.sizes

    def from_features(self) -> bool:
        return self.freeze_backbone and self.step.index > 0

    def start_increment(self, loader) -> None:
        if self.freeze_backbone:
            self.net.freeze(self.net.body, self.net.head)
            self.net.fold_frozen()
        if self.freeze_classifiers:
            # The background row belongs to the first classifier and is frozen with it, as the method intends.
            self.net.freeze(*self.net.cls[: self.step.index])
