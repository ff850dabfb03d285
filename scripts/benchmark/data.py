"""Table `data`: scanning, masking labels, loading and augmenting, on generated JPEG and PNG files."""

import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from dataset.base import Sample, SegmentationDataset
from dataset.cache import Decoded, InMemory
from dataset.images import TrainImages, apply_table
from dataset.loader import make_loader
from dataset.packs import on_disk
from dataset.presence import scan
from dataset.shapes import KINDS, draw
from dataset.transform import normalize
from scripts.benchmark import textbook
from scripts.benchmark.tools import Row, compare, distance
from utils.labels import IGNORE

WIDTH, HEIGHT = 500, 375  # of most VOC images
CPU = torch.device("cpu")


class Pictures(SegmentationDataset):
    """Generated pictures of VOC's size, as JPEG and palette PNG."""

    name = "pictures"
    class_names = ("background", *(f"class {k}" for k in range(1, len(KINDS) + 1)))

    def __init__(self, root: Path, count: int):
        super().__init__(root)
        for k in range(count):
            image, labels = draw(KINDS, WIDTH, np.random.RandomState(k))
            picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)[:HEIGHT]))
            picture.save(root / f"{k}.jpg", quality=85)
            mask = Image.fromarray(np.ascontiguousarray(labels[:HEIGHT]), "L")
            mask.save(root / f"{k}.png")
        self.count = count

    def samples(self, split: str) -> list[Sample]:
        return [Sample(str(k), self.root / f"{k}.jpg", self.root / f"{k}.png") for k in range(self.count)]


def rows(*, size: int, rounds: int, images: int = 12) -> list[Row]:
    """Each on `images` pictures; one core, and everything from the file on."""
    with TemporaryDirectory() as folder:
        dataset = Pictures(Path(folder), images)
        samples = dataset.samples("train")
        table = np.zeros(256, np.uint8)  # a step that sees the last two classes
        visible = {label: label for label in (len(KINDS) - 1, len(KINDS))}
        for label in visible:
            table[label] = label
        table[IGNORE] = IGNORE
        data = TrainImages(dataset, samples, table, size=size, seed=0)
        return [
            scanning(dataset, samples, rounds=rounds),
            masking(dataset.read_mask(samples[0]), table, visible, rounds=rounds),
            loading(data, visible, rounds=rounds),
            *(caching(data, place, Path(folder), rounds=rounds) for place in ("ram", "disk")),
        ]


def caching(data: TrainImages, place: str, folder: Path, *, rounds: int) -> Row:
    """A training item from its files against one from where --cache keeps it; files are in the page cache."""
    if place == "ram":
        kept = InMemory(data.dataset, data.samples)
    else:
        kept = on_disk(data.dataset, "train", data.samples, folder)
    other = TrainImages(Decoded(data.dataset, kept), data.samples, data.table, size=data.size, seed=0)

    def load(images: TrainImages) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return [images[0, k] for k in range(len(images))]

    pair = (partial(load, images) for images in (data, other))
    return compare(f"--cache {place} against none", *pair, CPU, rounds=rounds, images=len(data))


def waiting(iteration: Callable, *, size: int, images: int, workers: int, batches: int = 8) -> Row:
    """Share of the wall time of training on pictures that passes in waiting for the loader.

    `iteration(images, labels)` trains on one batch. The first two batches, for which workers start, do not
    count.
    """
    with TemporaryDirectory() as folder:
        dataset = Pictures(Path(folder), images * (batches + 2))
        data = TrainImages(dataset, dataset.samples("train"), np.zeros(256, np.uint8), size=size, seed=0)
        waited = worked = 0.0
        before = time.perf_counter()
        for number, batch in enumerate(make_loader(data, images, train=True, num_workers=workers)):
            loaded = time.perf_counter()
            iteration(*batch)
            after = time.perf_counter()
            if number > 1:
                waited, worked = waited + loaded - before, worked + after - loaded
            before = after
    share = {"share of the step": waited / (waited + worked)}
    return Row(f"data wait of FT, {workers} loader process{'es' * (workers > 1)}", more=share)


def scanning(dataset: SegmentationDataset, samples: list[Sample], *, rounds: int) -> Row:
    """Which image shows which class."""

    def plain():
        return [torch.from_numpy(textbook.shown_classes(s.image, s.mask)).long() for s in samples]

    def ours():
        shown = scan(dataset, samples, "pictures").shown
        return [torch.from_numpy(row).nonzero().flatten() for row in shown]

    return compare("presence scan", plain, ours, CPU, rounds=rounds, images=len(samples))


def masking(labels: torch.Tensor, table: np.ndarray, visible: dict[int, int], *, rounds: int) -> Row:
    """Labels of a step from those of the dataset, one map."""
    return compare(
        f"label masking {WIDTH}x{HEIGHT}",
        lambda: textbook.masked_labels(labels, visible),
        lambda: apply_table(table, labels),
        CPU,
        rounds=rounds,
        images=1,
    )


def loading(data: TrainImages, visible: dict[int, int], *, rounds: int) -> Row:
    """A training item from its files; ours leaves normalising to the device."""

    def plain():
        rngs = [random.Random(f"0/0/{sample.id}") for sample in data.samples]
        return [
            textbook.train_item(sample.image, sample.mask, data.size, rng, visible)
            for sample, rng in zip(data.samples, rngs, strict=True)
        ]

    def ours():
        return [data[0, k] for k in range(len(data))]

    row = compare(f"load and augment to {data.size}", plain, ours, CPU, rounds=rounds, images=len(data))
    pairs = list(zip(plain(), ours(), strict=True))
    row.error = max(distance(a[0], normalize(b[0][None])[0]) for a, b in pairs)
    row.more["labels that differ"] = sum(int((a[1] != b[1]).sum()) for a, b in pairs)
    return row
