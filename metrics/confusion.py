"""The confusion matrix: what every reported number is computed from."""

import torch
from torch import Tensor

from utils.distributed import all_reduce_sum


class ConfusionMatrix:
    """Pixels by true class (rows) and predicted class (columns), counted on the device.

    Classes that have classifier rows but were not taught yet may be predicted. They have columns of their
    own, right of the taught ones, so that such a pixel is an error of its true class only.

    Args:
        num_classes: rows; labels from there on, 255 among them, are not counted.
        num_columns: classes that a prediction may name, `num_classes` by default.
        device: where predictions will be.

    Attributes:
        counts: int64 (num_classes, num_columns). images: how many label maps were counted.
    """

    def __init__(self, num_classes: int, *, num_columns: int = 0, device: torch.device | str = "cpu"):
        self.num_classes, self.num_columns = num_classes, num_columns or num_classes
        assert self.num_columns >= num_classes, "every class needs a column"
        # Differs from RevisitingCSS, which counts predictions of untaught classes in other cells.
        # One cell more than the matrix has, for the pixels that do not count: nothing waits for the device.
        self._cells = torch.zeros(num_classes * self.num_columns + 1, dtype=torch.int64, device=device)
        self._images = torch.zeros((), dtype=torch.int64, device=device)
        self._broken = torch.zeros((), dtype=torch.int64, device=device)

    def update(self, labels: Tensor, predictions: Tensor) -> None:  # (N, H, W), (N, H, W)
        """Count one batch of int64 maps; predictions are below `num_columns`, labels are not negative."""
        last = self._cells.numel() - 1  # labels that are no row lead there or beyond
        cells = torch.add(predictions, labels, alpha=self.num_columns).clamp_(max=last).flatten()
        if cells.is_cuda:  # bincount would wait for the device to learn its largest value
            self._cells.scatter_add_(0, cells, cells.new_ones(1).expand_as(cells))
        else:
            self._cells += torch.bincount(cells, minlength=last + 1)
        self._images += labels.shape[0]

    def note_broken(self, logits: Tensor) -> None:  # (N, C, h, w)
        """Remember how many images have a logit that is not finite; nothing waits for the device."""
        self._broken += (~logits.isfinite()).flatten(1).any(1).sum()

    def reduce(self) -> "ConfusionMatrix":
        """Sum over processes; call it once, after the last batch, on every process.

        Raises:
            FloatingPointError: on every process, if any of them has noted broken logits.
        """
        for counted in (self._cells, self._images, self._broken):
            all_reduce_sum(counted)  # not their maximum: over gloo that can lose the nan of a process
        if broken := int(self._broken):
            raise FloatingPointError(
                f"the network's answers to {broken} of {self.images} test images are not finite: "
                "test with --precision fp32, or train again with a lower --lr"
            )
        return self

    @property
    def counts(self) -> Tensor:
        """The matrix, int64 (num_classes, num_columns)."""
        return self._cells[:-1].view(self.num_classes, self.num_columns)

    @property
    def images(self) -> int:
        """Label maps counted."""
        return int(self._images)
