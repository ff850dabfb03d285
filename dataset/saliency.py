"""Saliency maps beside the images: which background looks like an object."""

from pathlib import Path

import torch
from torch import Tensor

from dataset.images import TrainImages
from utils.decoding.decode import BadFileError, read_index_mask
from utils.labels import BACKGROUND, SALIENT


class SalientImages(TrainImages):
    """`images`, with the label SALIENT where they are background and their saliency map is not 0.

    Args:
        images: of a step. folder: holds a map `<image id>.png` of the size of each image.

    Raises:
        FileNotFoundError: if the map of an image is missing.
    """

    def __init__(self, images: TrainImages, folder: Path):
        super().__init__(images.dataset, images.samples, images.table, size=images.size, seed=images.seed)
        self.folder = folder
        missing = [name for name in self.ids if not self.map_of(name).is_file()]
        if missing:
            raise FileNotFoundError(
                f"--saliency: there is no {self.map_of(missing[0])} ({len(missing)} of {len(self)} maps are "
                "missing): give the folder that has them, or none (all background is unknown then)"
            )

    def map_of(self, name: str) -> Path:
        """File of the saliency map of the image with this id."""
        return self.folder / f"{name}.png"

    def read(self, index: int) -> tuple[Tensor, Tensor]:
        image, labels = super().read(index)
        return image, mark_salient(labels, read_saliency(self.map_of(self.samples[index].id), labels))


def read_saliency(path: Path, labels: Tensor) -> Tensor:
    """The map in `path`, uint8 (H, W), for an image with `labels` (H, W).

    Raises:
        BadFileError: if it is no grey picture, or has another size.
    """
    saliency = read_index_mask(path)
    if saliency.shape != labels.shape:
        raise BadFileError(
            f"{path} has {saliency.shape[1]}x{saliency.shape[0]} pixels, and its image "
            f"{labels.shape[1]}x{labels.shape[0]}: give the maps of these very images"
        )
    return saliency


def mark_salient(labels: Tensor, saliency: Tensor) -> Tensor:  # (H, W) both
    """`labels`, with SALIENT in place of background where `saliency` is above 0."""
    return torch.where((labels == BACKGROUND) & (saliency > 0), labels.new_tensor(SALIENT), labels)
