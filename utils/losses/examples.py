"""Features to remember a class by (ALIFE-M, NeurIPS 2022)."""

from collections.abc import Iterable

import torch
from torch import Tensor

from utils.distributed import of_every_process
from utils.losses.class_similarity import class_means

LEAST_SHARE = 0.005  # of an image's pixels that a class must have to be remembered from it


def class_examples(
    batches: Iterable[tuple[Tensor, Tensor]], classes: range, *, size: int
) -> dict[int, Tensor]:
    """Mean features (size, D) of each of `classes` in single crops, in the order of all processes' images.

    `batches` yield features (N, D, h, w) and labels (N, H, W), and are read until there are enough. A class
    that then has fewer repeats them; one that has none is left out.
    """
    found: dict[int, list[Tensor]] = {k: [] for k in classes}
    for features, labels in batches:
        images = zip(features.split(1), labels.split(1), strict=True)
        means, counts = zip(*(class_means(*image, classes) for image in images), strict=True)
        shares = torch.stack(counts) / labels[0].numel()
        packed = torch.cat([torch.stack(means), shares[..., None]], dim=2)  # (N, K, D + 1)
        # One after the other, as one process would see them: the k-th image of each, then the next.
        for image in torch.stack(of_every_process(packed), dim=1).flatten(0, 1):
            for own, row in zip(found.values(), image, strict=True):
                if len(own) < size and row[-1] > LEAST_SHARE:
                    own.append(row[:-1])
        if all(len(own) == size for own in found.values()):
            break
    return {
        k: torch.stack([own[m % len(own)] for m in range(size)]) for k, own in found.items() if own and size
    }
