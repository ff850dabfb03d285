"""Base class of methods that compare the student with the teacher on the same images."""

from abc import ABC, abstractmethod

from torch import Tensor

from methods.base import Method
from segmentation_module import Output


class WithTeacher(Method, ABC):
    """Cross entropy at step 0; from then on a loss of the student's and the teacher's outputs."""

    needs_teacher = True
    step0_as = "FT"

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        if self.teacher is None:
            return super().losses(images, labels)
        return self.incremental_losses(self.model(images), self.old(images), labels)

    @abstractmethod
    def incremental_losses(self, out: Output, old: Output, labels: Tensor) -> dict[str, Tensor]:
        """Named scalars of one batch from the outputs of student (`out`) and teacher (`old`)."""
