"""A fresh classifier of all classes on frozen features: how much could still be read out linearly."""

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from analysis.commands import progress
from analysis.network import BATCH_SIZE, Trained
from dataset.images import StepImages, TrainImages
from dataset.increment import IncrementData
from dataset.loader import Batches, make_loader
from methods.base import Method
from metrics import ConfusionMatrix
from segmentation_module import Output, SegmentationModel
from tasks import PROBING, Step, make_step
from train import Training, optimizer_step, start
from utils.losses import cross_entropy
from utils.pixel_means import pixel_means

Features = Iterable[
    tuple[Tensor, Tensor]
]  # features (N, D, h, w) and labels (N, H, W) of one batch after another


class Probe(Method):
    """Fine-tuning of one classifier of all classes on a frozen body and head (arXiv 2508.04267,
    run_probing.py).

    Args:
        step: one that teaches all classes at once. net: the network to probe; its own classifiers are left
            out.
    """

    def __init__(self, step: Step, net: SegmentationModel):
        super().__init__(step)
        self.net = SegmentationModel(net.body, net.head, [step.num_total]).to(next(net.parameters()).device)
        self.net.freeze(self.net.body, self.net.head)  # at every step, the first one included
        self.net.to(dtype=net.cls[0].weight.dtype)

    def output(self, features: Tensor, size: tuple[int, int]) -> Output:  # (N, D, h, w)
        """What the probe makes of `features`; its logits are (N, C, *size)."""
        features = features.to(self.net.cls[0].weight.dtype)
        return Output(self.net.classify(features), features, features, {}, size)

    def losses(self, features: Tensor, labels: Tensor) -> dict[str, Tensor]:  # (N, D, h, w), (N, H, W)
        small = self.net.classify(features.to(self.net.cls[0].weight.dtype))
        (ce,) = pixel_means(cross_entropy, [small], [labels])
        return {"ce": ce}


def fit_probe(
    probe: Probe,
    batches: Callable[[int], Features],
    training: Training,
    *,
    num_batches: int,
    title: str = "probe",
) -> list[Tensor]:
    """Train `probe` on the `num_batches` batches that `batches(epoch)` gives; the loss of every batch."""
    progression = start(probe, training, batches=num_batches, device=next(probe.net.parameters()).device)
    found = []
    with progress(range(training.epochs * num_batches), title) as bar:
        for epoch in range(training.epochs):
            for features, labels in batches(epoch):
                loss = sum(probe.losses(features, labels.long()).values())
                loss.backward()
                optimizer_step(probe, progression)
                found.append(loss.detach())
                bar.update()
    return found


@torch.inference_mode()
def evaluate_probe(probe: Probe, batches: Features) -> ConfusionMatrix:
    """Confusion matrix of all classes."""
    matrix = ConfusionMatrix(probe.step.num_total, device=next(probe.net.parameters()).device)
    for features, labels in batches:
        matrix.update(labels, probe.output(features, labels.shape[-2:]).logits.argmax(1))
    return matrix


# -- features of images ----------------------------------------------------------------------------
def all_classes(trained: Trained) -> IncrementData:
    """All images of the task, labelled with all of its classes."""
    task = trained.step.task.removesuffix(PROBING) + PROBING
    return replace(trained.data, step=make_step(trained.dataset, task), setting="overlap", index_dir="")


def train_views(data: IncrementData) -> StepImages:
    """The training images of `data` as a test sees them: the view that draws nothing at random."""
    images = data.test
    images.samples, images.table = data.samples("train"), replace(data, protocol="plop").table("train")
    return images


def features_of(trained: Trained, loader: Iterable, title: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Features and labels of every batch of `loader`, on the device of the network."""
    for images, labels in progress(loader, title):
        yield trained.forward(images).features.clone(), labels.to(trained.device)


def fixed_views(
    trained: Trained, images: StepImages, *, seed: int, title: str
) -> tuple[Callable[[int], Features], int]:
    """Batches of features that were computed once, in another order in every epoch; and how many an epoch
    has.

    Images of different sizes stay in batches of one.
    """
    found = features_of(trained, trained.loader(images), title)
    if not images.same_size:
        batches = list(found)
        return (lambda epoch: (batches[row] for row in order(len(batches), 1, seed, epoch))), len(batches)
    features, labels = gathered(found, len(images))
    size = min(BATCH_SIZE, len(labels))

    def epoch_of(epoch: int) -> Features:
        for rows in order(len(labels), size, seed, epoch):
            yield features[rows], labels[rows]

    return epoch_of, len(labels) // size


def gathered(batches: Features, count: int) -> tuple[Tensor, Tensor]:
    """`count` features and labels, batch after batch, in two tensors; never held twice (VOC's take 14 GB)."""
    whole: list[Tensor] = []
    done = 0
    for parts in batches:
        whole = whole or [part.new_empty((count, *part.shape[1:])) for part in parts]
        for all_of, part in zip(whole, parts, strict=True):
            all_of[done : done + len(part)] = part
        done += len(parts[0])
    return whole[0], whole[1]


def order(count: int, size: int, seed: int, epoch: int) -> Iterator:
    """Rows of each batch of an epoch; plain numbers for batches of one."""
    sampler = Batches(count, size, train=True, seed=seed)
    sampler.seek(epoch)
    for keys in sampler:
        rows = [row for _, row in keys]
        yield rows[0] if size == 1 else rows


def random_views(
    trained: Trained, images: TrainImages, *, seed: int
) -> tuple[Callable[[int], Features], int]:
    """Batches of features of fresh random crops, as published; and how many an epoch has."""
    size = min(BATCH_SIZE, len(images))
    loader = make_loader(images, size, train=True, seed=seed, num_workers=trained.num_workers)

    def epoch_of(epoch: int) -> Features:
        loader.batch_sampler.seek(epoch)
        for pictures, labels in loader:
            yield trained.forward(pictures).features.clone(), labels.to(trained.device)

    return epoch_of, len(loader)


def part_of(images: StepImages, count: int) -> StepImages:
    """`count` of `images`, evenly spread; all of them if `count` is 0."""
    part = copy.copy(images)
    if 0 < count < len(images):
        part.samples = [images.samples[index * len(images) // count] for index in range(count)]
    return part
