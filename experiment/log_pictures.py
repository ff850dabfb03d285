"""Pictures of a test, for TensorBoard: some test images with truth and prediction."""

from collections.abc import Iterable
from heapq import nsmallest
from zlib import crc32

import numpy as np
from PIL import Image
from torch import Tensor

from dataset.images import StepImages
from utils.pictures.segmentations import comparison, to_dataset_labels

SIDE = 160  # of a picture in pixels, at most


def some_images(ids: list[str], positions: Iterable[int], count: int) -> list[int]:
    """`count` of the `positions`, chosen by their ids: nearly the same images at every step of a task."""
    return nsmallest(count, positions, key=lambda index: crc32(ids[index].encode()))


class Samples:
    """Some images of a test, kept small as its pass goes by.

    Args:
        images: of the test. batches: of their positions, as this process sees them in the pass.
        count: how many to keep.
    """

    def __init__(self, images: StepImages, batches: Iterable[list[int]], *, count: int = 6):
        self.dataset, self.seen = images.dataset, 0
        own = [index for batch in batches for index in batch]
        order = {index: place for place, index in enumerate(own)}
        self.places = [order[index] for index in some_images(images.ids, own, count)]
        self.kept: dict[int, tuple[np.ndarray, ...]] = {}

    def look(self, images: Tensor, labels: Tensor, predictions: Tensor) -> None:
        """The next batch: uint8 (N, 3, H, W), labels (N, H, W) and predictions (N, H, W) as model indices."""
        for row, image in enumerate(images):
            if self.seen + row in self.places:
                maps = [one[row].cpu().numpy().astype(np.uint8) for one in (labels, predictions)]
                picture = shrunk(image.permute(1, 2, 0).numpy(), Image.Resampling.BICUBIC)
                self.kept[self.seen + row] = picture, *(shrunk(one, Image.Resampling.NEAREST) for one in maps)
        self.seen += len(images)

    def picture(self, order: list[int]) -> np.ndarray | None:
        """Image, truth and prediction, one row each, and a legend: RGB uint8 (height, width, 3); None
        without an image. `order` has the dataset's label of each model index.
        """
        if not self.kept:
            return None
        pictures, truths, predictions = zip(*(self.kept[place] for place in self.places), strict=True)
        named = ([to_dataset_labels(one, order) for one in maps] for maps in (truths, predictions))
        truths, predictions = named
        return comparison(pictures, truths, {"prediction": predictions}, side=SIDE,
                          class_names=self.dataset.class_names, palette=self.dataset.palette)  # fmt: skip


def shrunk(picture: np.ndarray, how: Image.Resampling) -> np.ndarray:  # (H, W) or (H, W, 3)
    """`picture` with its longer side at most `SIDE`."""
    factor = SIDE / max(picture.shape[:2])
    if factor >= 1:
        return picture
    size = [max(1, round(length * factor)) for length in (picture.shape[1], picture.shape[0])]
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize(size, how))
