"""Pictures with one label each: a folder of pictures per class, as ImageNet has them."""

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dataset.files import FileDataset, pictures
from dataset.samples import Sample, Samples
from utils.decoding.decode import BadFileError
from utils.labels import IGNORE

if TYPE_CHECKING:
    from torch import Tensor

SPLITS = ("train", "val")


class ImageFolders(FileDataset):
    """A picture's label is the folder it lies in; a label map is one pixel, (1, 1), and never grows.

    Args:
        root: folder with train/<class>/ and val/<class>/. Classes are numbered in the order of their names;
            none is background.
    """

    name = "image_folders"
    class_names = ()
    has_background = False
    one_label = True
    # Training crops and test view of class-incremental learning on ImageNet (PyCIL and others).
    crop_area = (0.08, 1.0)
    view_margin = 256 / 224

    def __init__(self, root: Path | str):
        super().__init__(root)
        train = self.root / "train"
        if not train.is_dir():
            raise FileNotFoundError(
                f"{self.root} has no train/<class>/ folders of pictures; give --data_root (data/README.md)"
            )
        folders = (one.name for one in train.iterdir() if one.is_dir() and not one.name.startswith("."))
        self.class_names = tuple(sorted(folders))
        if not 0 < len(self.class_names) <= IGNORE:
            raise ValueError(
                f"{train} has {len(self.class_names)} folders of classes, and there can be 1 to {IGNORE}: "
                "--data_root is the folder that holds train/ and val/"
            )

    def list_samples(self, split: str) -> Samples:
        if split not in SPLITS:
            raise ValueError(f"{self.name} has no split {split!r}; known: {', '.join(SPLITS)}")
        found = [(name, path) for name in self.class_names for path in pictures(self.root / split / name)]
        ids = [f"{name}/{os.path.basename(path)}" for name, path in found]
        return Samples.of_columns(ids, [path for _, path in found])

    def read(self, sample: Sample) -> "tuple[Tensor, Tensor]":
        """Picture uint8 (3, H, W) in RGB, and its label uint8 (1, 1)."""
        image = self.read_picture(sample)
        if image[0].numel() == 1:
            raise BadFileError(f"{sample.image} is a single pixel, and shows nothing: remove it")
        return image, self.read_mask(sample)

    def read_mask(self, sample: Sample) -> "Tensor":
        import torch

        return torch.tensor([[self._labels[sample.id.partition("/")[0]]]], dtype=torch.uint8)

    @cached_property
    def _labels(self) -> dict[str, int]:
        return {name: label for label, name in enumerate(self.class_names)}


class ImageNet100(ImageFolders):
    """A hundred classes of ImageNet: whichever folders are there, for no list of them is official."""

    name = "imagenet100"
    class_names = tuple(f"class {number}" for number in range(100))  # until the folders are seen

    def __init__(self, root: Path | str):
        super().__init__(root)
        if len(self.class_names) != 100:
            raise ValueError(
                f"{self.root / 'train'} has {len(self.class_names)} folders of classes, not 100: keep those "
                "of the subset, or use --dataset image_folders"
            )
