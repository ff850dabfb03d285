"""Datasets made of files: lists of image and mask paths, checked once before anything is trained."""

import logging
import os
from abc import abstractmethod
from collections import Counter
from pathlib import Path, PurePosixPath

from dataset.base import Sample, SegmentationDataset
from utils.distributed import is_main

log = logging.getLogger(__name__)

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


class FileDataset(SegmentationDataset):
    """A dataset whose samples are files; each split is listed and checked once.

    Attributes:
        expected: number of images of each split in the published data; another number is reported.
    """

    expected: dict[str, int] = {}

    def __init__(self, root: Path | str):
        super().__init__(root)
        self._samples: dict[str, list[Sample]] = {}

    @abstractmethod
    def list_samples(self, split: str) -> list[Sample]:
        """The samples of `split`, unchecked."""

    def samples(self, split: str) -> list[Sample]:
        if split not in self._samples:
            bad = {entry["id"] for entry in self.skipped if entry["split"] == split}
            samples = [sample for sample in self.list_samples(split) if sample.id not in bad]
            check(samples, f"{self.name} {split}")
            expected = self.expected.get(split, len(samples))
            if len(samples) != expected and is_main():
                log.warning(f"{self.name} {split} has {len(samples)} images, not {expected} as published")
            self._samples[split] = samples
        return self._samples[split]


def check(samples: list[Sample], what: str) -> None:
    """Refuse an empty list, ids that occur twice, and names of files that do not exist.

    Raises:
        FileNotFoundError, ValueError: naming the first culprit and how many there are.
    """
    if not samples:
        raise FileNotFoundError(f"{what} has no images")
    id, times = Counter(sample.id for sample in samples).most_common(1)[0]
    if times > 1:
        raise ValueError(f"{what} lists {id} {times} times; every image may be listed once")
    # One look into each folder instead of one question per file: seconds against minutes on network storage.
    paths = [os.path.split(path) for sample in samples for path in (sample.image, sample.mask) if path]
    folders = {folder for folder, _ in paths}
    there = {folder: set(os.listdir(folder)) if os.path.isdir(folder) else set() for folder in folders}
    missing = [os.path.join(folder, name) for folder, name in paths if name not in there[folder]]
    if missing:
        raise FileNotFoundError(f"{what} lists {missing[0]}, which does not exist ({len(missing)} in all)")


def read_list(path: Path) -> list[list[str]]:
    """The words of each line of the text file `path`; blank lines are skipped, all line endings known."""
    # Differs from all published readers, which cut each line's last character, newline or not.
    try:
        return [words for line in path.read_text("utf-8-sig").splitlines() if (words := line.split())]
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text file") from None


def inside(root: Path, name: str, source: Path) -> Path:
    """The file `name` below `root`; a leading slash, as in published lists, means `root`.

    Raises:
        ValueError: if the name leads out of `root`; the message names `source`, where it was found.
    """
    relative = PurePosixPath(name.lstrip("/"))
    if ".." in relative.parts:
        raise ValueError(f"{source} lists {name}, which is not below {root}")
    return root / relative


def pictures(folder: Path) -> list[Path]:
    """The picture files in `folder`, sorted by name.

    Raises:
        FileNotFoundError: if there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    names = (name for name in os.listdir(folder) if not name.startswith("."))  # as macOS' ._x.jpg does
    return [folder / name for name in sorted(names) if name.lower().endswith(PICTURES)]
