"""One increment's data: its images, with the labels it sees."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dataset.base import SegmentationDataset
from dataset.content import contents
from dataset.presence import Presence, presence
from dataset.published_lists import published_rows
from dataset.rules import EVALUATIONS, MASKINGS, PROTOCOLS, SETTINGS, SPLITS, held_out, label_table, select
from dataset.samples import Samples
from tasks import Step
from utils.main_process import is_main
from utils.naming import closest

if TYPE_CHECKING:
    from dataset.images import StepImages, TrainImages

INDEX_FILES = {"train": "train", "val": "val", "test": "test_on_val"}  # published names: <this>-<step>.npy

log = logging.getLogger(__name__)
_said: set[str] = set()  # notes that this process has printed


def increment_data(
    dataset: SegmentationDataset,
    step: Step,
    *,
    setting: str = "overlap",
    protocol: str = "plop",
    masking: str = "current",
    ignore_background: bool = False,
    crop_size: int = 512,
    evaluation: str = "crop",
    index_dir: Path | str = "",
    cache_dir: Path | str = "cache",
    seed: int = 0,
    val_share: float = 0.0,
) -> "IncrementData":
    """The data of `step`.

    Args:
        dataset: where the images come from. step: the increment, with the dataset's labels.
        setting: which images a step trains on, see `dataset.rules.select`.
        protocol: what void, old and future classes become, see `dataset.rules.label_table`.
        masking: which classes stay visible in training, likewise; setting sequential keeps the old ones.
        ignore_background: leave it out of tests; always so under mib where class 0 means "not labelled".
        crop_size: side of the crops, pixels. evaluation: "crop" (central, published) or "full" images.
        index_dir: folder with published lists of positions, train-<step>.npy and perhaps val-<step>.npy and
            test_on_val-<step>.npy, to use instead of `setting`.
        cache_dir: of the scan of which image shows which class. seed: of the random crops.
        val_share: share of the training images that no step trains on, and that tests are made on instead of
            the test images: on those of the steps so far. See `dataset.rules.held_out`.

    Raises:
        ValueError: for an unknown name, or classes that the dataset does not have.
    """
    strange = [label for label in step.order if label >= len(dataset.class_names)]
    if strange:
        known = f"{dataset.name} has classes 0..{len(dataset.class_names) - 1}"
        raise ValueError(f"task {step.task} teaches class {strange[0]}, but {known}")
    if index_dir and dataset.skipped:
        raise ValueError(
            f"--index_dir counts in the published list, of which {len(dataset.skipped)} images are bad and "
            "skipped: repair them, and leave out --skip_bad_images"
        )
    setting = closest(setting, SETTINGS, "setting")
    if setting in dataset.notes and not index_dir:
        say_once(f"{dataset.name}, {setting}: {dataset.notes[setting]}")
    protocol = closest(protocol, PROTOCOLS, "protocol")
    return IncrementData(
        dataset=dataset,
        step=step,
        setting=setting,
        protocol=protocol,
        masking=closest(masking, MASKINGS, "masking"),
        score_background=not (ignore_background or (dataset.background_is_unlabelled and protocol == "mib")),
        crop_size=crop_size,
        evaluation=closest(evaluation, EVALUATIONS, "evaluation"),
        index_dir=str(index_dir),
        cache_dir=str(cache_dir),
        seed=seed,
        val_share=val_share,
    )


def say_once(note: str) -> None:
    """Warn of what is the same for all steps of a process."""
    if note not in _said and is_main():
        _said.add(note)
        log.warning(note)


@dataclass(frozen=True, kw_only=True)
class IncrementData:
    """The images of one step, and through `of` those of the task's other steps; made by `increment_data`."""

    dataset: SegmentationDataset
    step: Step
    setting: str
    protocol: str
    masking: str
    score_background: bool
    crop_size: int
    evaluation: str
    index_dir: str
    cache_dir: str
    seed: int
    val_share: float

    @property
    def train(self) -> "TrainImages":
        """What the step trains on: random crops, indexed by (epoch, index)."""
        from dataset.images import TrainImages  # brings PyTorch, for which a list of tasks need not wait

        samples, table = self.samples("train"), self.table("train")
        return TrainImages(self.dataset, samples, table, size=self.crop_size, seed=self.seed)

    @property
    def val(self) -> "StepImages":
        """Held-out images that show a new class, labelled as in training; not for measuring old classes."""
        return self._evaluated("val")

    @property
    def test(self) -> "StepImages":
        """Test images (or held-out ones of training) that show a class seen so far, labelled with all."""
        return self._evaluated("test")

    def _evaluated(self, split: str) -> "StepImages":
        from dataset.images import CroppedImages, StepImages

        samples, table = self.samples(split), self.table(split)
        if self.evaluation == "full":
            return StepImages(self.dataset, samples, table)
        return CroppedImages(self.dataset, samples, table, size=self.crop_size)

    def of(self, index: int) -> "IncrementData":
        """The same for another step of the task."""
        return replace(self, step=self.step.at(index))

    @property
    def num_images(self) -> dict[str, int]:
        """Images of the step in "train", "val" and "test"."""
        return {split: len(self.rows(split)) for split in SPLITS}

    def samples(self, split: str) -> Samples:
        """The images of the step in "train", "val" or "test"."""
        return self._all(split).take(self.rows(split))

    def table(self, split: str) -> np.ndarray:
        """Look-up table from dataset labels to those that the step sees in `split`, uint8 (256,)."""
        return label_table(
            self.step,
            split=split,
            protocol=self.protocol,
            masking="current+old" if self.setting == "sequential" else self.masking,
            score_background=self.score_background,
        )

    def presence(self, split: str) -> Presence:
        """Pixels of each label in all images of `split`, of every step."""
        return presence(self.dataset, self._place(split), self.cache_dir)

    def rows(self, split: str) -> np.ndarray:
        """Positions of the step's images in the dataset's split, ascending."""
        if not self.val_share or split == "val":
            return self._rows(split)
        held = self.held_out
        if split == "train":
            return (rows := self._rows("train"))[~held[rows]]
        so_far = np.concatenate([self.of(index)._rows("train") for index in range(self.step.index + 1)])
        return (rows := np.unique(so_far))[held[rows]]

    @property
    def held_out(self) -> np.ndarray:
        """Which images of "train" no step trains on, bool."""
        return held_out([*self._all("train").ids()], self.val_share)

    def _rows(self, split: str) -> np.ndarray:
        """The same without regard to `val_share`."""
        own = self.dataset.rows(self.step, split, lambda: self.presence(split).shown)
        if own is not None:
            return np.asarray(own, np.int64)
        if self.step.domains:
            first = 0 if split == "test" else self.step.index
            seen = {domain for group in self.step.domains[first : self.step.index + 1] for domain in group}
            return np.flatnonzero(np.isin(self._all(split).domains, sorted(seen)))
        table = self.presence(split)
        path = Path(self.index_dir) / f"{INDEX_FILES[split]}-{self.step.index}.npy"
        if self.index_dir and (split == "train" or path.is_file()):
            return published_rows(path, table, self.step, split)
        chosen = select(table.showing, self._all(split).ids(), self.step, split=split, setting=self.setting)
        offered = self.dataset.offered(self.step, split)
        return np.flatnonzero(chosen if offered is None else chosen & offered)

    def content(self, split: str) -> str:
        """Hash of the step's images in `split`: ids, pictures, masks, and how they are read; no paths.

        Generated images, which have no files, are known by the dataset's fingerprint.
        """
        return self._content(self._place(split), self.rows(split))

    @property
    def test_images(self) -> str:
        """All images that any step of the task can be tested on: how many, and a hash of what is in them."""
        place = self._place("test")
        rows = range(len(self.dataset.samples(place)))
        rows = np.flatnonzero(self.held_out) if self.val_share else rows
        return f"{len(rows)} ({self._content(place, rows)[:16]})"

    def _content(self, place: str, rows: Sequence[int]) -> str:
        digests = contents(self.dataset, place, self.cache_dir)
        ids = [*Samples.of(self.dataset.samples(place)).take(rows).ids()]
        how = self.dataset.reading if digests.any() else self.dataset.fingerprint(place)
        known, digests, width = hashlib.sha256(how.encode()), digests[rows].tobytes(), digests.shape[1]
        for k in sorted(range(len(ids)), key=ids.__getitem__):
            known.update(ids[k].encode() + b"\0" + digests[width * k : width * (k + 1)])
        return known.hexdigest()

    def pixels(self) -> dict[int, int]:
        """Training pixels of each dataset label that this step teaches."""
        counts = self.presence("train").pixels_of(self.rows("train"))
        return {label: int(counts[label]) for label in self.step.new}

    def describe(self) -> str:
        """Images per step and pixels per class of the whole task, as text."""
        lines = []
        for data in map(self.of, range(self.step.num_steps)):
            images = ", ".join(f"{number:,} {split}" for split, number in data.num_images.items())
            lines.append(f"step {data.step.index}: {images} images; pixels of its classes in training:")
            for label, pixels in data.pixels().items():
                lines.append(f"  {label:3} {self.dataset.class_names[label]:24} {pixels:15,}")
        return "\n".join(lines)

    def _all(self, split: str) -> Samples:
        return Samples.of(self.dataset.samples(self._place(split)))

    def _place(self, split: str) -> str:
        if split == "test":
            return "train" if self.val_share else self.dataset.test_split
        return split
