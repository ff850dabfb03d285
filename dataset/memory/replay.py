"""Replay of the memory: as training images, and as instances to paste into new images."""

import random
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from dataset.images import TrainImages
from dataset.memory.record import Record, keep_classes
from dataset.transform import crop_box, normalize
from utils.labels import BACKGROUND


def stored_crop(
    image: Tensor, labels: Tensor, size: int, rng: random.Random
) -> tuple[Tensor, Tensor]:  # uint8 (3, H, W), (H, W)
    """Random part of a stored image at `size` x `size`, mirrored in half of the cases: as `train_crop`.

    Pillow resizes, as in EIR: where a side shrinks, PyTorch's arithmetic is a level off in some pixels.
    """
    top, left, height, width = crop_box(rng, labels.shape[1], labels.shape[0])
    flip = rng.random() < 0.5
    picture = Image.fromarray(image.permute(1, 2, 0).numpy()).crop((left, top, left + width, top + height))
    resized = np.array(picture.resize((size, size), Image.Resampling.BILINEAR))
    image = torch.from_numpy(resized).permute(2, 0, 1).contiguous()
    labels = labels[None, None, top : top + height, left : left + width]
    labels = F.interpolate(labels, size=(size, size), mode="nearest-exact")[0, 0]
    return (image.flip(-1), labels.flip(-1)) if flip else (image, labels)


class WithMemory(Dataset):
    """The images of a step, then every entry of the memory once (as published), with the same augmentation.

    Args:
        images: of the step.
        records: the memory.
        alone: show only the classes of an entry; all other pixels get the mean colour.
        rest: label of the pixels that are not shown.
    """

    same_size = True

    def __init__(
        self, images: TrainImages, records: Sequence[Record], *, alone: bool, rest: int = BACKGROUND
    ):
        self.images, self.records, self.alone, self.rest = images, list(records), alone, rest

    @property
    def ids(self) -> list[str]:
        """Id of each image and entry."""
        return self.images.ids + [record.id for record in self.records]

    def __len__(self) -> int:
        return len(self.images) + len(self.records)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        epoch, index = key
        if index < len(self.images):
            return self.images[key]
        record = self.records[index - len(self.images)]
        rng = random.Random(f"{self.images.seed}/{epoch}/{record.id}")
        image, labels = stored_crop(*record.restore(), self.images.size, rng)
        return keep_classes(image, labels, record.classes, rest=self.rest) if self.alone else (image, labels)


class MemoryDraws:
    """The draws of `compose` from a memory: classes, entries, a new crop of the entry per paste, shares.

    Args:
        records: the memory; decoded once, images kept on `device`.
        device: where the images are.
    """

    def __init__(self, records: Sequence[Record], *, device: torch.device):
        self.by_label: dict[int, list[tuple[Tensor, Tensor]]] = {}
        for record in records:
            image, labels = record.restore()
            self.by_label.setdefault(record.label, []).append((image.to(device), labels))
        self.labels = list(self.by_label)
        self.rng, self.size = random.Random(0), (0, 0)

    def begin(self, rng: random.Random, size: tuple[int, int]) -> "MemoryDraws":
        """Draw from `rng` and crop to `size` (H, W) from now on."""
        self.rng, self.size = rng, tuple(size)
        return self

    def extra_label(self) -> int:
        """A class that has entries, uniformly drawn."""
        return self.rng.choice(self.labels)

    def share(self) -> float:
        """Uniform in [0, 1)."""
        return self.rng.random()

    def instance(self, label: int) -> tuple[Tensor, Tensor]:
        """A training crop of an entry filed under `label`, normalised (3, H, W), and where it shows the
        class.
        """
        image, labels = self.rng.choice(self.by_label[label])
        top, left, height, width = crop_box(self.rng, labels.shape[1], labels.shape[0])
        flip = self.rng.random() < 0.5
        part = (..., slice(top, top + height), slice(left, left + width))
        view = F.interpolate(image[part][None].float(), self.size, mode="bilinear", antialias=True)
        mask = F.interpolate((labels[part] == label).byte()[None, None], self.size, mode="nearest-exact")
        view, mask = normalize(view)[0], mask[0, 0].bool()
        # The mask stays on the CPU, where its shape is read, so that nothing waits for the device.
        return (view.flip(-1), mask.flip(-1)) if flip else (view, mask)
