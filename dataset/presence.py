"""Which image shows which class: one scan over all masks, kept for the next time.

Everything that a task needs to know about its images (who belongs to a step, pixels per class) follows
from this table, so masks are decoded for it once per dataset and never again; pictures are not touched.
"""

import hashlib
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from dataset.base import Sample, SegmentationDataset
from dataset.samples import Samples
from dataset.survey import SeenColours, Survey
from dataset.threads import each_in_threads
from utils.files import replacing
from utils.main_process import is_main, of_main

FORMAT = "2"  # of the cached files; part of their names
STORED = {  # in them; those of earlier versions have eight bytes per number
    "image": np.int32, "label": np.uint8, "pixels": np.uint32, "colours": np.int16, "witness": np.int64
}  # fmt: skip
BLOCK = 64  # images that are tabulated at a time
T = TypeVar("T")


@dataclass(frozen=True)
class Presence:
    """Pixels of every label in every image of a split: 5 bytes for each of the K pairs, and 2 an image."""

    num_labels: np.ndarray  # uint16 (N,), how many each image shows
    label: np.ndarray  # uint8 (K,), image by image
    pixels: np.ndarray  # uint32 (K,)
    colours: np.ndarray  # (256, 3) of each value that palettes of the masks give one, -1 else
    witness: np.ndarray  # (256,) position of an image whose mask has that value and colour, -1 else

    @property
    def num_images(self) -> int:
        """Images of the split, N."""
        return len(self.num_labels)

    @property
    def image(self) -> np.ndarray:
        """Position of the image that each of `label` is of, int32 (K,), made anew each time."""
        return np.repeat(np.arange(self.num_images, dtype=np.int32), self.num_labels)

    def showing(self, labels: Sequence[int]) -> np.ndarray:
        """Whether an image has a pixel of one of `labels`, bool (N,)."""
        found, wanted = np.zeros(self.num_images, bool), np.zeros(256, bool)
        wanted[list(labels)] = True
        found[self.image[wanted[self.label]]] = True
        return found

    def pixels_of(self, rows: Sequence[int] | None = None) -> np.ndarray:
        """Pixels of each label in the images `rows`, all different, by default all; int64 (256,)."""
        label, pixels = self.label, self.pixels
        if rows is not None:
            chosen = np.zeros(self.num_images, bool)
            chosen[rows] = True
            chosen = chosen[self.image]
            label, pixels = label[chosen], pixels[chosen]
        return np.bincount(label, pixels, minlength=256).astype(np.int64)  # exact to 2**53

    @property
    def counts(self) -> np.ndarray:
        """Pixels per image and label, int64 (N, 256): 2 kB an image, and made anew each time."""
        counts = np.zeros((self.num_images, 256), np.int64)
        counts[self.image, self.label] = self.pixels
        return counts

    @property
    def shown(self) -> np.ndarray:
        """Whether an image has a pixel of a label, bool (N, 256), made anew each time."""
        shown = np.zeros((self.num_images, 256), bool)
        shown[self.image, self.label] = True
        return shown


@lru_cache(maxsize=8)
def presence(dataset: SegmentationDataset, split: str, cache_dir: Path | str) -> Presence:
    """The table of `split`, from `cache_dir` or by a scan; one process works, all get the result.

    The cached file is named after a hash of the dataset's fingerprint and the times of its mask files, so
    changed data are scanned again.

    Raises:
        ValueError: naming a mask that cannot be read or holds a label that is no class, or an unwritable
        cache_dir.
    """
    return by_main(lambda: _judged(dataset, split, Path(cache_dir)))


def _judged(dataset: SegmentationDataset, split: str, cache_dir: Path) -> Presence:
    table = _load_or_scan(dataset, split, cache_dir)
    dataset.judge(split, table)
    if split == "train" and dataset.surveys_pictures:
        _judged(dataset, dataset.test_split, cache_dir)  # refused before anything is trained
    return table


def by_main(work: Callable[[], T]) -> T:
    """The result of `work`, done by the first process alone; its ValueError or OSError stops them all."""
    outcome: T | Exception | None = None
    if is_main():
        try:
            outcome = work()
        except (ValueError, OSError) as error:
            outcome = error
    outcome = of_main(outcome)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _load_or_scan(dataset: SegmentationDataset, split: str, cache_dir: Path) -> Presence:
    samples = Samples.of(dataset.samples(split))
    path = cache_dir / f"presence_{dataset.name}_{split}_{_stamp(dataset, split, samples)}.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            table = {name: stored[name].astype(kind, copy=False) for name, kind in STORED.items()}
            num_labels = np.bincount(table.pop("image"), minlength=len(samples)).astype(np.uint16)
            return Presence(num_labels, **table)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        pass  # none yet, or a damaged one
    try:
        with replacing(path) as file:  # before the work of the scan
            table = scan(dataset, samples, f"{dataset.name} {split}")
            np.savez(file, ids=np.array([*samples.ids()]), **{name: getattr(table, name) for name in STORED})
    except OSError as error:
        reason = f"cannot write to {cache_dir} ({error.strerror})"
        raise ValueError(f"{reason}; give another folder by --cache_dir") from None
    return table


def _stamp(dataset: SegmentationDataset, split: str, samples: Samples) -> str:
    digest = hashlib.sha256((FORMAT + dataset.fingerprint(split)).encode())
    times = samples.versions[:, :, 1].T.tolist()
    for mask, image_time, mask_time in zip(samples.masks(), *times, strict=True):
        digest.update(f"{mask} {mask_time}\n{image_time if dataset.surveys_pictures else ''}".encode())
    return digest.hexdigest()[:16]


def scan(dataset: SegmentationDataset, samples: Sequence[Sample], what: str) -> Presence:
    """Survey every image of `samples` once.

    Raises:
        ValueError: naming a mask that cannot be read or holds a label that is no class of `dataset`.
    """
    surveys = each_in_threads(
        lambda sample: accepted(dataset.survey(sample)), samples, f"{what}: reading masks"
    )
    return tabulated(surveys, samples, what)


def tabulated(surveys: Iterable[Survey], samples: Sequence[Sample], what: str) -> Presence:
    """The table of `surveys`, one of each of `samples`.

    Raises:
        BadFileError: if palettes of two masks disagree.
    """
    surveys, seen, first = iter(surveys), SeenColours(samples, what), 0
    blocks = [(np.zeros(0, np.uint16), np.zeros(0, np.uint8), np.zeros(0, np.uint32))]
    while block := list(islice(surveys, BLOCK)):
        for position, survey in enumerate(block, start=first):
            seen.add(position, survey)
        counts = np.stack([one.counts for one in block])
        image, label = counts.nonzero()
        num_labels = np.bincount(image, minlength=len(block)).astype(np.uint16)
        blocks.append((num_labels, label.astype(np.uint8), counts[image, label].astype(np.uint32)))
        first += len(block)
    columns = (np.concatenate(column) for column in zip(*blocks, strict=True))
    return Presence(*columns, seen.colours, seen.witness)


def accepted(survey: Survey) -> Survey:
    """`survey`, if nothing speaks against it.

    Raises:
        BadFileError: the gravest complaint.
    """
    if survey.complaints:
        raise survey.complaints[0]
    return survey
