"""`--cache features:V`: what a frozen network says of V views of each image, computed once for all epochs."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dataset.loader import Batches
from dataset.room import Room
from dataset.transform import to_device

BYTES = {torch.float32: np.int32, torch.float16: np.int16, torch.bfloat16: np.int16}
Say = Callable[[str], None]


@dataclass
class FeatureLoader:
    """Batches of features instead of images, in the order of `batch_sampler`.

    Args:
        dataset: of the images. batch_sampler: whose keys are (epoch, index).
        features: (V, N, D, h, w). labels: uint8 (V, N, H, W).
        dtype: what the network computes in.
    """

    dataset: object
    batch_sampler: Batches
    features: Tensor
    labels: Tensor
    dtype: torch.dtype

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Epoch e shows view e modulo V: that of epoch e in a run without the cache."""
        for keys in self.batch_sampler:
            view, rows = keys[0][0] % len(self.features), [index for _, index in keys]
            features = self.features[view, rows].to(self.dtype)
            yield features.contiguous(memory_format=torch.channels_last), self.labels[view, rows]

    @contextmanager
    def in_place_of_images(self, net) -> Iterator[None]:
        """Let `net` take the features for what it is given."""
        net.given_features_of = tuple(self.labels.shape[-2:])
        try:
            yield
        finally:
            net.given_features_of = None


def remembered(
    method, loader, *, views: int, exact: bool, folder: Path, say: Say, limit: float = 0
) -> FeatureLoader:
    """`loader` with features in place of images, after its first `views` epochs went through the network.

    They lie in a file in `folder` that vanishes with the process; memory holds what is read at the time.

    Args:
        method: whose `from_features()` is true, ready to train.
        exact: keep what the network computes; else 16 bits of each number.
        limit: bytes that they and the packs of decoded images in `folder` may take, 0: any number.

    Raises:
        ValueError: if the disk or the limit has no room for them.
    """
    net, sampler = method.net, loader.batch_sampler
    device, count = next(net.parameters()).device, len(loader.dataset)
    kept: list[Tensor] = []
    net.train()
    for view in range(views):
        sampler.seek(view, complete=True)
        for keys, (images, labels) in zip(sampler, loader, strict=True):
            features = net.features(to_device(images, labels, device)[0])
            small = torch.float16 if features.dtype == torch.float32 and not exact else features.dtype
            if not kept:
                shapes = [(views, count, *one.shape[1:]) for one in (features, labels)]
                kept = reserve(folder, shapes, [small, torch.uint8], say, limit)
            rows = [index for _, index in keys]
            kept[0][view, rows], kept[1][view, rows] = features.to("cpu", small), labels
    return FeatureLoader(loader.dataset, sampler, *kept, dtype=features.dtype)


def reserve(
    folder: Path, shapes: list[tuple], dtypes: list[torch.dtype], say: Say, limit: float = 0
) -> list[Tensor]:
    """Tensors in nameless files in `folder`; says how large they are."""
    sizes = [int(np.prod(shape)) * dtype.itemsize for shape, dtype in zip(shapes, dtypes, strict=True)]
    folder.mkdir(parents=True, exist_ok=True)
    views, count = shapes[0][:2]
    about = f"features of {count} images, {views} views each: {sum(sizes) / 1e6:,.0f} MB in {folder}"
    Room(folder, limit).take(sum(sizes))
    if sum(sizes) > (free := shutil.disk_usage(folder).free):
        raise ValueError(
            f"{about}, which has {free / 1e6:,.0f} MB free; take fewer views (--cache features:1) or another "
            "--cache_dir"
        )
    say(about)
    found = []
    for shape, dtype in zip(shapes, dtypes, strict=True):
        with tempfile.TemporaryFile(dir=folder) as file:  # the mapping keeps it
            array = np.memmap(file, BYTES.get(dtype, np.uint8), "w+", shape=shape)
        found.append(torch.from_numpy(array).view(dtype))
    return found
