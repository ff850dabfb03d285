"""Which image shows which class: one scan over all masks, kept for the next time.

Everything that a task needs to know about its images (who belongs to a step, pixels per class) follows
from this table, so masks are decoded for it once per dataset and never again; pictures are not touched.
"""

import hashlib
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from dataset.base import Sample, SegmentationDataset
from dataset.decode import BadFileError
from utils.distributed import broadcast_object, is_main
from utils.files import replacing
from utils.labels import IGNORE

THREADS = 8  # decoding leaves Python's lock, and more than the cores helps where files come over a network
FORMAT = "1"  # of the cached files; part of their names
T = TypeVar("T")


@dataclass(frozen=True)
class Presence:
    """Pixels of every label in every image of a split, stored as (image, label, pixels)."""

    ids: np.ndarray  # (N,) of str
    image: np.ndarray  # (K,) position in ids
    label: np.ndarray  # (K,)
    pixels: np.ndarray  # (K,)

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
    return by_main(lambda: _load_or_scan(dataset, split, Path(cache_dir)))


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
        digest.update(str(sample.mask.stat().st_mtime_ns if sample.mask else 0).encode())
    path = cache_dir / f"presence_{dataset.name}_{split}_{digest.hexdigest()[:16]}.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return Presence(**stored)
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile):
        pass  # none yet, or a damaged one
    try:
        with replacing(path) as file:  # before the work of the scan
            table = scan(dataset, samples, f"{dataset.name} {split}")
            np.savez(file, ids=table.ids, image=table.image, label=table.label, pixels=table.pixels)
    except OSError as error:
        reason = f"cannot write to {cache_dir} ({error.strerror})"
        raise ValueError(f"{reason}; give another folder by --cache_dir") from None
    return table


def scan(dataset: SegmentationDataset, samples: list[Sample], what: str) -> Presence:
    """Decode every mask of `samples` once.

    Raises:
        ValueError: naming a mask that cannot be read or holds a label that is no class of `dataset`.
    """
    def count(sample: Sample) -> np.ndarray:
        return count_labels(dataset, sample, dataset.read_mask(sample))

    rows = in_threads(count, samples, f"{what}: reading masks")
    counts = np.stack(rows) if rows else np.zeros((0, 256), np.int64)
    image, label = counts.nonzero()
    ids = np.array([sample.id for sample in samples])
    return Presence(ids, image, label, counts[image, label])


def count_labels(dataset: SegmentationDataset, sample: Sample, mask: Tensor) -> np.ndarray:  # uint8 (H, W)
    """Pixels of each label in the `mask` of `sample`, int64 (256,).

    Raises:
        BadFileError: naming labels that are no class of `dataset`.
    """
    counts = torch.bincount(mask.flatten(), minlength=256).numpy()
    allowed = [*range(len(dataset.class_names)), IGNORE]
    strange = np.setdiff1d(np.flatnonzero(counts), allowed)
    if len(strange):
        if dataset.label_map is not None:  # name the values that the file has
            strange = np.flatnonzero(np.isin(dataset.label_map, strange))
        raise BadFileError(
            f"{sample.mask or sample.id} has label {', '.join(map(str, strange))}, but "
            f"{dataset.name} has classes 0..{len(dataset.class_names) - 1} (and {IGNORE} for void)"
        )
    return counts


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
