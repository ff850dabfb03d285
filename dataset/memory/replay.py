"""Replay of the memory: as training images, and as instances to paste into new images."""

import random
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from dataset.images import TrainImages, apply_table
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
        table: uint8 (256,), from the labels of the entries to those to train with; None: they are the same.
    """

    same_size = True

    def __init__(
        self,
        images: TrainImages,
        records: Sequence[Record],
        *,
        alone: bool,
        rest: int = BACKGROUND,
        table: np.ndarray | None = None,
    ):
        self.images, self.records, self.alone, self.rest = images, list(records), alone, rest
        self.table = table

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
        image, labels = record.restore()
        labels = labels if self.table is None else apply_table(self.table, labels)
        image, labels = stored_crop(image, labels, self.images.size, rng)
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


class HalfBatches:
    """Replaces half of each batch, at random places, by training crops of the memory (SSUL-M).

    The memory comes in rounds, each in its own random order.

    Args:
        entries: images uint8 (3, H, W) and their labels (H, W), decoded; they are kept on `device`.
        device: where the images are.
        seed: what is drawn is a function of it and of the number of the batch.
    """

    def __init__(self, entries: Sequence[tuple[Tensor, Tensor]], *, device: torch.device, seed: str):
        self.entries = [(image.to(device), labels.to(device)) for image, labels in entries]
        self.seed = seed

    def replace(self, images: Tensor, labels: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """Batch `number` of the step, normalised images (N, 3, H, W) and labels (N, H, W), half replaced."""
        images, labels = images.clone(), labels.clone()
        half = len(images) // 2 if self.entries else 0
        rng = random.Random(f"{self.seed}/{number}")
        for turn, place in enumerate(rng.sample(range(len(images)), half), start=number * half):
            image, its_labels = self.entries[self._index(turn)]
            top, left, height, width = crop_box(rng, its_labels.shape[1], its_labels.shape[0])
            part = (..., slice(top, top + height), slice(left, left + width))
            view, size = image[part][None].float(), images.shape[-2:]
            view = F.interpolate(view, size, mode="bilinear", antialias=True)
            its_labels = F.interpolate(its_labels[part][None, None], size, mode="nearest-exact")
            view, its_labels = normalize(view)[0], its_labels[0, 0].to(labels.dtype)
            if rng.random() < 0.5:
                view, its_labels = view.flip(-1), its_labels.flip(-1)
            images[place], labels[place] = view, its_labels
        return images, labels

    def _index(self, turn: int) -> int:
        """Which entry comes as number `turn`, counted from the start of the step."""
        order = list(range(len(self.entries)))
        random.Random(f"{self.seed}/round {turn // len(order)}").shuffle(order)
        return order[turn % len(order)]
