"""The images of one step as torch datasets."""

import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from dataset.base import SegmentationDataset
from dataset.samples import Sample, Samples
from dataset.transform import central_crop, train_crop


class StepImages(Dataset):
    """Whole images with the labels that a step sees.

    Args:
        dataset: where they come from.
        samples: which of its images.
        table: uint8 (256,), from dataset labels to model indices and IGNORE.

    Attributes:
        same_size: whether all items have one size, so that they can be batched.
    """

    same_size = False

    def __init__(self, dataset: SegmentationDataset, samples: Sequence[Sample], table: np.ndarray):
        self.dataset, self.samples, self.table = dataset, samples, table

    @property
    def ids(self) -> list[str]:
        """Id of each image."""
        return [*Samples.of(self.samples).ids()]

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, index: int) -> tuple[Tensor, Tensor]:
        """The whole image uint8 (3, H, W), and its labels uint8 (H, W), or (1, 1), as the step sees them."""
        image, labels = self.dataset.read(self.samples[index])
        return image, apply_table(self.table, labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.read(index)


class CroppedImages(StepImages):
    """Images in the view of published results: shorter side resized to `size`, central square."""

    same_size = True

    def __init__(
        self, dataset: SegmentationDataset, samples: Sequence[Sample], table: np.ndarray, *, size: int
    ):
        super().__init__(dataset, samples, table)
        self.size = size

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, labels = self.read(index)
        return central_crop(image, labels, self.size, margin=self.dataset.view_margin)


class TrainImages(StepImages):
    """Randomly cropped and mirrored images, indexed by (epoch, index).

    The augmentation depends on seed, epoch and image id alone, not on the worker or the order, so that a
    resumed run sees the same crops.
    """

    same_size = True

    def __init__(
        self,
        dataset: SegmentationDataset,
        samples: Sequence[Sample],
        table: np.ndarray,
        *,
        size: int,
        seed: int,
    ):
        super().__init__(dataset, samples, table)
        self.size, self.seed = size, seed

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        epoch, index = key
        rng = random.Random(f"{self.seed}/{epoch}/{self.samples[index].id}")
        image, labels = self.read(index)
        return train_crop(image, labels, self.size, rng, area=self.dataset.crop_area)


def apply_table(table: np.ndarray, labels: Tensor) -> Tensor:  # (256,), (H, W)
    """`labels` looked up in `table`."""
    return torch.from_numpy(table.take(labels.numpy()))
