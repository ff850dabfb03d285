"""Which image shows which class: one scan over all masks, kept for the next time.

Everything that a task needs to know about its images (who belongs to a step, pixels per class) follows
from this table, so masks are decoded for it once per dataset and never again; pictures are not touched.
"""

import hashlib
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from dataset.base import Sample, SegmentationDataset
from dataset.survey import Survey, agreed
from utils.distributed import broadcast_object, is_main
from utils.files import replacing

THREADS = 8  # decoding leaves Python's lock, and more than the cores helps where files come over a network
FORMAT = "2"  # of the cached files; part of their names
T = TypeVar("T")


@dataclass(frozen=True)
class Presence:
    """Pixels of every label in every image of a split, stored as (image, label, pixels)."""

    ids: np.ndarray  # (N,) of str
    image: np.ndarray  # (K,) position in ids
    label: np.ndarray  # (K,)
    pixels: np.ndarray  # (K,)
    colours: np.ndarray  # (256, 3) of each value that palettes of the masks give one, -1 else
    witness: np.ndarray  # (256,) position of an image whose mask has that value and colour, -1 else

    @cached_property
    def counts(self) -> np.ndarray:
        """Pixels per image and label, int64 (N, 256)."""
        counts = np.zeros((len(self.ids), 256), np.int64)
        counts[self.image, self.label] = self.pixels
        return counts

    @cached_property
    def shown(self) -> np.ndarray:
        """Whether an image has a pixel of a label, bool (N, 256)."""
        return self.counts > 0


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
    outcome = broadcast_object(outcome)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _load_or_scan(dataset: SegmentationDataset, split: str, cache_dir: Path) -> Presence:
    samples = dataset.samples(split)
    digest = hashlib.sha256((FORMAT + dataset.fingerprint(split)).encode())
    for sample in samples:
        digest.update(f"{sample.mask} {sample.mask.stat().st_mtime_ns if sample.mask else 0}\n".encode())
        if dataset.surveys_pictures:
            digest.update(str(sample.image.stat().st_mtime_ns).encode())
    path = cache_dir / f"presence_{dataset.name}_{split}_{digest.hexdigest()[:16]}.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return Presence(**stored)
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile):
        pass  # none yet, or a damaged one
    try:
        with replacing(path) as file:  # before the work of the scan
            table = scan(dataset, samples, f"{dataset.name} {split}")
            np.savez(file, **{one.name: getattr(table, one.name) for one in fields(table)})
    except OSError as error:
        reason = f"cannot write to {cache_dir} ({error.strerror})"
        raise ValueError(f"{reason}; give another folder by --cache_dir") from None
    return table


def scan(dataset: SegmentationDataset, samples: list[Sample], what: str) -> Presence:
    """Survey every image of `samples` once.

    Raises:
        ValueError: naming a mask that cannot be read or holds a label that is no class of `dataset`.
    """
    surveys = in_threads(lambda sample: accepted(dataset.survey(sample)), samples, f"{what}: reading masks")
    return tabulated(surveys, samples, what)


def tabulated(surveys: list[Survey], samples: list[Sample], what: str) -> Presence:
    """The table of `surveys`, one of each of `samples`.

    Raises:
        BadFileError: if palettes of two masks disagree.
    """
    counts = np.stack([one.counts for one in surveys]) if surveys else np.zeros((0, 256), np.int64)
    image, label = counts.nonzero()
    ids = np.array([sample.id for sample in samples])
    colours, witness = agreed(surveys, [sample.mask for sample in samples], what)
    return Presence(ids, image, label, counts[image, label], colours, witness)


def accepted(survey: Survey) -> Survey:
    """`survey`, if nothing speaks against it.

    Raises:
        BadFileError: the gravest complaint.
    """
    if survey.complaints:
        raise survey.complaints[0]
    return survey


def in_threads(work: Callable[[Sample], T], samples: list[Sample], what: str) -> list[T]:
    """Results of `work` on each of `samples`, with a progress bar; the first exception stops all."""
    with ThreadPoolExecutor(THREADS) as pool:
        progress = tqdm(total=len(samples), desc=what, unit="image", disable=None)
        results = []
        try:
            for result in pool.map(work, samples):
                results.append(result)
                progress.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            progress.close()
    return results
