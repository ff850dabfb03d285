"""`--cache ram`: a step's images decoded once and kept, for sets that fit into memory."""

from dataclasses import replace

import torch
from torch import Tensor

from dataset.base import Sample, SegmentationDataset
from dataset.presence import in_threads


def in_memory(data):
    """An `IncrementData` whose step's training images are decoded now, and never again."""
    return replace(data, dataset=InMemory(data.dataset, data.samples("train")))


class InMemory:
    """`dataset`, with the pictures and labels of `samples` in one block that all loader processes share.

    VOC's 10,582 training images take 6 GB, those of an incremental step about 0.3. Whatever else is asked of
    it, other images among that, goes to `dataset`.
    """

    def __init__(self, dataset: SegmentationDataset, samples: list[Sample]):
        self.dataset, self.places = dataset, {}
        pairs = in_threads(dataset.read, samples, "decoding")
        self.block = torch.empty(sum(x.numel() for pair in pairs for x in pair), dtype=torch.uint8)
        self.block.share_memory_()
        start = 0
        for sample, (image, labels) in zip(samples, pairs, strict=True):
            end = start + image.numel() + labels.numel()
            # Pixel by pixel, as decoders leave them and resizing likes them.
            torch.cat([image.permute(1, 2, 0).flatten(), labels.flatten()], out=self.block[start:end])
            self.places[sample] = start, tuple(labels.shape)
            start = end

    def read(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Picture uint8 (3, H, W) and labels uint8 (H, W), as `dataset.read` gives them."""
        if sample not in self.places:
            return self.dataset.read(sample)
        start, (height, width) = self.places[sample]
        area = height * width
        pixels, labels = self.block[start : start + 4 * area].clone().split([3 * area, area])
        return pixels.view(height, width, 3).permute(2, 0, 1), labels.view(height, width)

    def __getattr__(self, name: str):
        if name == "dataset" or name.startswith("__"):  # not there yet, while a process unpickles it
            raise AttributeError(name)
        return getattr(self.dataset, name)
