"""The rules of settings and protocols: which images a step sees, and with which labels."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from tasks import Step
from utils.labels import BACKGROUND, IGNORE

SETTINGS = ("overlap", "disjoint", "sequential", "partitioned")
PROTOCOLS = ("plop", "mib")
MASKINGS = ("current", "current+old", "new")
SPLITS = ("train", "val", "test")
EVALUATIONS = ("crop", "full")

Showing = Callable[[Sequence[int]], np.ndarray]  # labels -> whether images show any of them, bool (N,)


# -- which images
# ----------------------------------------------------------------------------------------------
def select(
    showing: Showing, ids: Iterable[str], step: Step, *, split: str = "train", setting: str = "overlap"
) -> np.ndarray:
    """Which images `step` sees, bool (N,).

    Args:
        showing: tells which images have a pixel of one of some dataset labels.
        ids: the images' ids, for setting partitioned.
        step: the increment.
        split: "train", "val" or "test".
        setting: for training images, besides the rule that they show a new class,
            overlap: no further condition; future classes may be there, too.
            disjoint: they show no class of a later step.
            sequential: the same images as disjoint (what differs is that the labels of old classes stay).
            partitioned: every image belongs to one step, chosen among those whose classes it shows by a
            hash of its id (arXiv 2405.09858); old and future classes are background as under overlap.

    Validation images show a new class, test images any class learned so far, in every setting; an image
    without any of them is left out, as published.
    """
    chosen = shows(showing, step, step.seen if split == "test" else step.new)
    if split != "train" or setting == "overlap":
        return chosen
    if setting == "partitioned":
        return chosen & (partition(showing, ids, step) == step.index) if step.grows else chosen
    return chosen & ~showing(sorted(set(range(256)) - {*step.seen, IGNORE}))


def held_out(ids: Sequence[str], share: float) -> np.ndarray:
    """Which of the training images `ids` nobody trains on, so that values can be chosen on them, bool (N,).

    A `share` of them, at least one if it is not 0: those whose ids have the lowest hashes. The same images
    for every method, seed, step and machine.
    """
    kept = np.zeros(len(ids), bool)
    order = sorted(range(len(ids)), key=lambda row: hashlib.sha256(f"held out {ids[row]}".encode()).digest())
    kept[order[: max(1, round(share * len(ids))) if share else 0]] = True
    return kept


def partition(showing: Showing, ids: Iterable[str], step: Step) -> np.ndarray:
    """The step that each image belongs to in setting partitioned, int (N,); -1 if it shows no class."""
    serves = np.stack([shows(showing, step.at(k), step.at(k).new) for k in range(step.num_steps)], axis=1)
    steps = np.full(len(serves), -1)
    for row, id in enumerate(ids):
        candidates = np.flatnonzero(serves[row])
        if len(candidates):
            # Of the id alone: the same for every seed and machine, so that steps trained apart share no
            # image.
            draw = int.from_bytes(hashlib.sha256(id.encode()).digest()[:8])
            steps[row] = candidates[draw % len(candidates)]
    return steps


def shows(showing: Showing, step: Step, labels: Sequence[int]) -> np.ndarray:
    """Whether images have a pixel of a class in `labels` other than background, bool (N,)."""
    classes = [label for label in labels if not (step.has_background and label == BACKGROUND)]
    return showing(classes)


# -- which labels
# ----------------------------------------------------------------------------------------------
def lookup_table(values: Mapping[int, int], *, fill: int) -> np.ndarray:
    """Table uint8 (256,) that maps the keys of `values` to their values and every other label to `fill`."""
    table = np.full(256, fill, np.uint8)
    for label, value in values.items():
        table[label] = value
    return table


def label_table(
    step: Step,
    *,
    split: str = "train",
    protocol: str = "plop",
    masking: str = "current",
    score_background: bool = True,
) -> np.ndarray:
    """Look-up table from dataset labels to model indices or IGNORE at `step`, uint8 (256,).

    Args:
        step: the increment. Its new classes (in a test, all seen ones) become their model indices.
        split: "train", "val" or "test".
        protocol: what all other pixels become.
            plop: void stays ignored; old and future classes are background, in tests too.
            mib: in training void and all other classes are background; in validation and test they are
            ignored.
        masking: "current"; "current+old" keeps old classes in training and validation too; "new" ignores
            instead of turning into background.
        score_background: False leaves background and other classes out of tests (ADE20K's unlabelled pixels;
            protocol mib also leaves them out of validation).

    Without a background class, void and all other classes are always ignored.
    Source: the target transforms of the published systems, golden kinds mib.labels and dft.labels.
    """
    evaluating = split != "train"
    void, background, other = IGNORE, BACKGROUND, BACKGROUND
    if protocol == "mib":
        void = other = IGNORE if evaluating else BACKGROUND
    if masking == "new":
        other = IGNORE
    if not score_background and (split == "test" or (evaluating and protocol == "mib")):
        background = other = IGNORE
    if not step.has_background:
        void = other = IGNORE
    kept = step.seen if split == "test" or masking == "current+old" else step.new
    values = {label: step.order.index(label) for label in kept} | {IGNORE: void}
    if step.has_background:
        values[BACKGROUND] = background
    return lookup_table(values, fill=other)
