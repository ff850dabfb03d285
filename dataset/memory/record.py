"""An entry of the memory: an old image, or the crop around its objects, with labels."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dataset.base import voc_palette
from utils.labels import BACKGROUND, IGNORE

MEAN_COLOUR = (124, 116, 104)  # round(255 * ImageNet mean): within 0.01 of zero in the normalised image
MARGIN = 4  # pixels of context around the objects, so that resizing meets real pixels at their borders


def present_classes(labels: Tensor) -> tuple[int, ...]:  # (H, W)
    """Classes in a label map, ascending, without background and ignored pixels."""
    return tuple(label for label in torch.unique(labels).tolist() if label not in (BACKGROUND, IGNORE))


def keep_classes(
    image: Tensor,
    labels: Tensor,
    classes: Sequence[int],
    *,
    fill: Sequence[float] = MEAN_COLOUR,
    rest: int = BACKGROUND,
) -> tuple[Tensor, Tensor]:  # (3, H, W), (H, W)
    """Objects of `classes`; all other pixels, ignored ones too, get colour `fill` and label `rest`."""
    kept = torch.isin(labels, torch.tensor(sorted(set(classes) - {IGNORE}), dtype=labels.dtype))
    colour = torch.tensor(fill, dtype=image.dtype).view(3, 1, 1)
    return torch.where(kept, image, colour), torch.where(kept, labels, rest).to(labels.dtype)


@dataclass(frozen=True)
class Record:
    """One entry of the memory.

    Attributes:
        source: id of the image it was taken from.
        step: step that taught the image.
        label: class that it is filed under.
        classes: all classes that it shows.
        size: (H, W) of the image.
        corner: (top, left) of the crop in the image.
        image: the crop, bytes of an RGB PNG file, uint8 (bytes,).
        labels: its labels in model indices, bytes of a palette PNG file, uint8 (bytes,).
    """

    source: str
    step: int
    label: int
    classes: tuple[int, ...]
    size: tuple[int, int]
    corner: tuple[int, int]
    image: Tensor
    labels: Tensor

    @property
    def id(self) -> str:
        """Unique name among entries and training images."""
        return f"memory/{self.step}/{self.source}"

    @property
    def num_bytes(self) -> int:
        """Bytes of the stored pixels and labels."""
        return len(self.image) + len(self.labels)

    def restore(self) -> tuple[Tensor, Tensor]:
        """The image uint8 (3, H, W) and its labels (H, W); mean colour and background outside the crop."""
        height, width = self.size
        image = torch.tensor(MEAN_COLOUR, dtype=torch.uint8).view(3, 1, 1).repeat(1, height, width)
        labels = torch.full((height, width), BACKGROUND, dtype=torch.uint8)
        crop, crop_labels = from_png(self.image).permute(2, 0, 1), from_png(self.labels)
        rows = slice(self.corner[0], self.corner[0] + crop_labels.shape[0])
        columns = slice(self.corner[1], self.corner[1] + crop_labels.shape[1])
        image[:, rows, columns], labels[rows, columns] = crop, crop_labels
        return image, labels


def record(image: Tensor, labels: Tensor, *, whole: bool, **facts) -> Record:  # uint8 (3, H, W), (H, W)
    """Entry of the `whole` image and its labels, or of the part that shows the classes in `facts`."""
    size, corner = tuple(labels.shape), (0, 0)
    if not whole:
        _, labels = keep_classes(image, labels, facts["classes"])
        box = []
        for extent, length in ((labels.any(1), size[0]), (labels.any(0), size[1])):
            first, last = extent.nonzero()[[0, -1], 0].tolist()
            box.append(slice(max(0, first - MARGIN), min(length, last + 1 + MARGIN)))
        image, labels, corner = image[:, *box], labels[*box], (box[0].start, box[1].start)
    return Record(
        size=size, corner=corner, image=to_png(image.permute(1, 2, 0)), labels=to_png(labels), **facts
    )


def to_png(pixels: Tensor) -> Tensor:  # uint8 (H, W, 3), or labels (H, W)
    """Bytes of a PNG file, uint8 (bytes,); labels are shown in the colours of VOC."""
    picture = Image.fromarray(np.ascontiguousarray(pixels.numpy()))
    if pixels.dim() == 2:
        picture.putpalette(voc_palette().tobytes())
    file = io.BytesIO()
    picture.save(file, "PNG")
    return torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)


def from_png(file: Tensor) -> Tensor:
    """Inverse of `to_png`."""
    with Image.open(io.BytesIO(file.numpy().tobytes())) as picture:
        return torch.from_numpy(np.array(picture))
