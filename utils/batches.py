"""Passes over the training images outside the training loop, for methods that look at their data first."""

from collections.abc import Iterator

import torch
from torch import Tensor

from train import to_device


def first_epochs(loader, device: torch.device, num_epochs: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of epochs 0, 1, ... as training itself will see them, on `device`.

    Yields normalised float32 images (N, 3, H, W) and int64 labels (N, H, W). The loader's position is
    moved; the training loop sets its own.
    """
    for epoch in range(num_epochs):
        loader.batch_sampler.seek(epoch, 0)
        for images, labels in loader:
            yield to_device(images, labels, device)
