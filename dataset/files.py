"""Datasets made of files: lists of image and mask paths, checked once before anything is trained."""

import logging
import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from dataset.base import SegmentationDataset
from dataset.samples import Sample, Samples
from utils.main_process import is_main

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
        self._samples: dict[str, Samples] = {}
        self._fingerprints: dict[str, str] = {}

    @abstractmethod
    def list_samples(self, split: str) -> Sequence[Sample]:
        """The samples of `split`, unchecked."""

    def samples(self, split: str) -> Samples:
        if split not in self._samples:
            samples = Samples.of(self.list_samples(split))
            if bad := {entry["id"] for entry in self.skipped if entry["split"] == split}:
                samples = samples.take(np.flatnonzero([id not in bad for id in samples.ids()]))
            check(samples, f"{self.name} {split}")
            expected = self.expected.get(split, len(samples))
            if len(samples) != expected and is_main():
                log.warning(f"{self.name} {split} has {len(samples)} images, not {expected} as published")
            self._samples[split] = samples
        return self._samples[split]

    def fingerprint(self, split: str) -> str:
        # Every step asks for it, and it takes a question per file.
        if split not in self._fingerprints:
            self._fingerprints[split] = super().fingerprint(split)
        return self._fingerprints[split]


def check(samples: Sequence[Sample], what: str) -> None:
    """Refuse an empty list, ids that occur twice, and names of files that do not exist.

    Raises:
        FileNotFoundError, ValueError: naming the first culprit and how many there are.
    """
    if not samples:
        raise FileNotFoundError(f"{what} has no images")
    samples = Samples.of(samples)
    if len(set(samples.ids())) < len(samples):
        id, times = Counter(samples.ids()).most_common(1)[0]
        raise ValueError(f"{what} lists {id} {times} times; every image may be listed once")
    missing = samples.missing()
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


def pictures(folder: Path) -> list[str]:
    """Paths of the picture files in `folder`, sorted by name.

    Raises:
        FileNotFoundError: if there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    names = (name for name in os.listdir(folder) if not name.startswith("."))  # as macOS' ._x.jpg does
    return below(folder, [name for name in sorted(names) if name.lower().endswith(PICTURES)])


def below(folder: Path, names: Sequence[str]) -> list[str]:
    """Paths of the files called `names` in `folder`: the text of `folder / name`, a hundred times as fast."""
    start = "" if folder == Path() else os.path.join(folder, "")
    return [start + name for name in names]


def stem(path: str) -> str:
    """The name of a file without its folders and its last suffix."""
    name = path[path.rfind(os.sep) + 1 :]
    return name[: name.rfind(".")] if "." in name else name
