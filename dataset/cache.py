"""`--cache ram|disk`: a step's training images decoded once and kept, in memory or in files for all runs."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dataset.base import Sample, SegmentationDataset
from dataset.packs import on_disk
from dataset.threads import in_threads
from utils.decoding.decode import as_bytes


def cached(data, place: str, *, limit: float = 0):
    """An `IncrementData` whose step's training images are decoded once, now.

    Args:
        data: of the step.
        place: "ram" (of this run), "disk" (files in the data's cache_dir, which later steps, other runs and
            all processes of a run share); any other: `data` as it is.
        limit: bytes of such files in that folder, 0: any number.

    Raises:
        ValueError: if an image or a file of the cache cannot be read or written, or `limit` is too low.
    """
    if place not in ("ram", "disk"):
        return data
    if data.dataset.one_label:
        raise ValueError(f"--cache keeps pictures with masks, and {data.dataset.name} has none: leave it out")
    if place == "ram":
        kept = InMemory(data.dataset, data.samples("train"))
    else:
        kept = on_disk(data.dataset, "train", data.samples("train"), data.cache_dir, limit)
    return replace(data, dataset=Decoded(data.dataset, kept))


class Decoded:
    """`dataset`, with the images in `kept` read from there; everything else is delegated to `dataset`.

    Args:
        dataset: where the images come from.
        kept: `kept.get(sample)` is bytes as `as_bytes` makes them, with height and width; None if unknown.
    """

    def __init__(self, dataset: SegmentationDataset, kept):
        self.dataset, self.kept = dataset, kept

    def read(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Image uint8 (3, H, W) and labels uint8 (H, W), as `dataset.read` gives them."""
        found = self.kept.get(sample)
        if found is None:
            return self.dataset.read(sample)
        block, (height, width) = found
        area = height * width
        pixels, labels = block.split([3 * area, area])
        return pixels.view(height, width, 3).permute(2, 0, 1), labels.view(height, width)

    def __getattr__(self, name: str):
        if name in ("dataset", "kept") or name.startswith("__"):  # not set yet while unpickling
            raise AttributeError(name)
        return getattr(self.dataset, name)




class InMemory:
    """Images and labels of `samples` in one block that all loader processes share.

    VOC's 10,582 training images take 6 GB, those of an incremental step about 0.3.
    """

    def __init__(self, dataset: SegmentationDataset, samples: Sequence[Sample]):
        self.places: dict[Sample, tuple[int, tuple[int, int]]] = {}
        pairs = in_threads(dataset.read, samples, "decoding")
        self.block = torch.empty(4 * sum(labels.numel() for _, labels in pairs), dtype=torch.uint8)
        self.block.share_memory_()
        start = 0
        for sample, (image, labels) in zip(samples, pairs, strict=True):
            end = start + 4 * labels.numel()
            self.block[start:end] = as_bytes(image, labels)
            self.places[sample] = start, tuple(labels.shape)
            start = end

    def get(self, sample: Sample) -> tuple[Tensor, tuple[int, int]] | None:
        """Copy of the bytes of `sample`, its height and width; None if it is not in memory."""
        if sample not in self.places:
            return None
        start, (height, width) = self.places[sample]
        return self.block[start : start + 4 * height * width].clone(), (height, width)
