"""DFT*: direct fine-tuning with frozen backbone and classifiers and pre-allocated rows (arXiv 2508.04267)."""

from typing import Annotated

from methods.base import Method
from tasks import Step


class DFTStar(Method):
    """Fine-tune the rows of current and future classes only, on a network frozen after step 0."""

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
