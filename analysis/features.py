"""Features of a trained network: of fixed views, computed once, or of fresh random crops."""

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from analysis.commands import progress
from analysis.kept import Kept
from analysis.trained import BATCH_SIZE, Trained
from dataset.images import StepImages, TrainImages
from dataset.increment import IncrementData
from dataset.loader import Batches, make_loader
from modules.output import Output
from tasks import PROBING, make_step

Features = Iterable[
    tuple[Tensor, Tensor]
]  # features (N, D, h, w) and labels (N, H, W) of one batch after another


def all_classes(trained: Trained) -> IncrementData:
    """All images of the task, labelled with all of its classes."""
    task = trained.step.task.removesuffix(PROBING) + PROBING
    return replace(trained.data, step=make_step(trained.dataset, task), setting="overlap", index_dir="")


def train_views(data: IncrementData) -> StepImages:
    """The training images of `data` in the view of a test, without random crops."""
    images = data.test
    images.samples, images.table = data.samples("train"), replace(data, protocol="plop").table("train")
    return images


def outputs_of(trained: Trained, loader: Iterable, title: str) -> Iterator[tuple[Output, Tensor]]:
    """What the network makes of every batch of `loader`, and its labels, on the device of the network."""
    for images, labels in progress(loader, title):
        yield trained.forward(images), labels.to(trained.device)


def features_of(trained: Trained, loader: Iterable, title: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Features and labels of every batch of `loader`."""
    for out, labels in outputs_of(trained, loader, title):
        yield out.features.clone(), labels


def fixed_views(
    trained: Trained, images: StepImages, *, seed: int, memory: float, folder: Path, title: str
) -> tuple[Callable[[int], Features], int]:
    """Batches of features, computed once and shuffled anew in every epoch, and their number per epoch.

    Images of different sizes come in batches of one. What does not fit into `memory` bytes (VOC's take 14 GB)
    lies in a file in `folder`.
    """
    kept = Kept(memory=memory, folder=folder, expected=len(images))
    for batch in features_of(trained, trained.loader(images), title):
        for features, labels in zip(*batch, strict=True):
            kept.append(features, labels)
    size = min(BATCH_SIZE, len(kept)) if images.same_size else 1

    def epoch_of(epoch: int) -> Features:
        for rows in order(len(kept), size, seed, epoch):
            pairs = [kept[row] for row in rows]
            features, labels = (torch.stack(parts).to(trained.device) for parts in zip(*pairs, strict=True))
            yield features, labels

    return epoch_of, len(kept) // size


def order(count: int, size: int, seed: int, epoch: int) -> Iterator[list[int]]:
    """Rows of each batch of an epoch."""
    sampler = Batches(count, size, train=True, seed=seed)
    sampler.seek(epoch)
    for keys in sampler:
        yield [row for _, row in keys]


def random_views(
    trained: Trained, images: TrainImages, *, seed: int
) -> tuple[Callable[[int], Features], int]:
    """Batches of features of fresh random crops, as published, and their number per epoch."""
    size = min(BATCH_SIZE, len(images))
    loader = make_loader(images, size, train=True, seed=seed, num_workers=trained.num_workers)

    def epoch_of(epoch: int) -> Features:
        loader.batch_sampler.seek(epoch)
        for pictures, labels in loader:
            yield trained.forward(pictures).features.clone(), labels.to(trained.device)

    return epoch_of, len(loader)


def part_of(images: StepImages, count: int) -> StepImages:
    """`count` of `images`, evenly spaced; all of them if `count` is 0."""
    part = copy.copy(images)
    if 0 < count < len(images):
        part.samples = [images.samples[index * len(images) // count] for index in range(count)]
    return part
