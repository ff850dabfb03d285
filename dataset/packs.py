"""Decoded images in files, for `--cache disk`: written once, then mapped into memory by whoever reads them.

A pack holds the images that a step needed and that no pack had: steps, tasks and methods share what they have
in common. It is bytes of images one after another, then a table (JSON), then the table's length and checksum.
An image is known by a hash of the data set's fingerprint, its id, and size and time of its files: what was
decoded from other files is never found.
"""

import errno
import hashlib
import json
import logging
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from dataset.base import Sample, SegmentationDataset
from dataset.presence import by_main
from dataset.room import InUse, Room
from dataset.threads import in_threads
from utils.decoding.decode import BadFileError, as_bytes
from utils.files import replacing

log = logging.getLogger(__name__)

MAGIC = b"CSSPACK2"  # changes with what decoding gives, too
FOOTER = 8 + 4 + len(MAGIC)  # bytes: length of the table, its checksum, the magic word
Entry = tuple[int, int, int, int]  # first byte, height, width, checksum


def on_disk(
    dataset: SegmentationDataset,
    split: str,
    samples: Sequence[Sample],
    cache_dir: Path | str,
    limit: float = 0,
) -> "Packs":
    """The decoded `samples` of `split`; the first process decodes what no pack in `cache_dir` has.

    A process that does not see its files, on another machine, reads images from where they always are. Packs
    in `cache_dir` take `limit` bytes at most, see `Room`.

    Raises:
        ValueError: naming an image that cannot be read, a folder that cannot be written, or too low a limit.
    """
    fingerprint = dataset.fingerprint(split)
    folder = Path(cache_dir) / f"decoded_{dataset.name}_{split}_{fingerprint[:16]}"
    keys = {sample: key_of(sample, fingerprint) for sample in samples}
    by_main(lambda: complete(folder, dataset, keys, limit))
    return Packs(keys, tables(folder))


def key_of(sample: Sample, fingerprint: str) -> str:
    """What a decoded image is known by; another as soon as one of its files is another."""
    words = [fingerprint, sample.id]
    for path in (sample.image, sample.mask):
        about = path.stat() if path else None
        words.append(f"{about.st_size} {about.st_mtime_ns}" if about else "")
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]


class Packs:
    """Images found in packs.

    Args:
        keys: of the images that are needed. tables: of each pack, by its path.
    """

    def __init__(self, keys: dict[Sample, str], tables: dict[Path, dict[str, Entry]]):
        found = {key: (path, *entry) for path, table in tables.items() for key, entry in table.items()}
        self._files = opened({found[key][0] for key in keys.values() if key in found})
        self.places = {sample: found[key] for sample, key in keys.items() if key in found}
        self.places = {sample: place for sample, place in self.places.items() if place[0] in self._files}
        self._maps: dict[Path, np.ndarray] = {}
        self._checked: set[Sample] = set()

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_maps": {}, "_files": {}}  # a spawned process maps the files itself

    def get(self, sample: Sample) -> tuple[Tensor, tuple[int, int]] | None:
        """Copy of the bytes of `sample`, its height and width; None if it is not kept.

        Raises:
            BadFileError: the first time that a process meets bytes that have changed.
        """
        if sample not in self.places:
            return None
        path, start, height, width, checksum = self.places[sample]
        if path not in self._maps:
            self._maps[path] = np.memmap(path, mode="r")
        block = np.array(self._maps[path][start : start + 4 * height * width])
        if sample not in self._checked:
            if zlib.crc32(block) != checksum:
                raise BadFileError(f"{path} is damaged ({sample.id}): delete it, and it is made anew")
            self._checked.add(sample)
        return torch.from_numpy(block), (height, width)


def opened(paths: set[Path]) -> dict[Path, InUse]:
    """Those of the files `paths` that are there, in use from now on until the result is gone."""
    found = {}
    for path in paths:
        with suppress(FileNotFoundError):  # another run has needed the room
            found[path] = InUse(path)
    return found


def complete(folder: Path, dataset: SegmentationDataset, keys: dict[Sample, str], limit: float = 0) -> None:
    """Decode what no pack in `folder` has into a new one; runs that want the same wait for each other."""
    try:
        with locked(folder):
            for path in folder.glob("*.tmp"):  # whose process has gone, else the folder would be locked
                path.unlink()
            known = Packs(keys, tables(folder, mend=True))  # in use while others make room
            missing = {sample: key for sample, key in keys.items() if sample not in known.places}
            room = Room(folder.parent, limit)
            room.take(0)  # a limit that is lower than before
            if missing:
                write(folder, dataset, missing, room)
    except OSError as error:
        cure = "make room, " if error.errno == errno.ENOSPC else ""
        raise ValueError(
            f"--cache disk cannot work in {folder} ({error.strerror}): {cure}give another --cache_dir, or go "
            "without"
        ) from None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` against other processes; the system lets go of it when this one ends, however it does."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        yield


def tables(folder: Path, *, mend: bool = False) -> dict[Path, dict[str, Entry]]:
    """The table of each pack in `folder`; what is not whole is no pack, and goes if told to `mend`."""
    found = {}
    for path in sorted(folder.glob("*.pack")):
        try:
            found[path] = read_table(path)
        except ValueError:
            if mend:
                log.warning(f"{path} is damaged, and made anew")
                path.unlink()
    return found


def read_table(path: Path) -> dict[str, Entry]:
    """Where in the pack `path` each image is.

    Raises:
        ValueError: if the file is not whole.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - FOOTER))
        footer = file.read()
        length, checksum = int.from_bytes(footer[:8], "big"), int.from_bytes(footer[8:12], "big")
        if footer[12:] != MAGIC or length > size - FOOTER:
            raise ValueError(f"{path} has no table")
        file.seek(size - FOOTER - length)
        text = file.read(length)
    if zlib.crc32(text) != checksum:
        raise ValueError(f"{path} has a damaged table")
    return {key: tuple(entry) for key, entry in json.loads(text).items()}


def write(folder: Path, dataset: SegmentationDataset, keys: dict[Sample, str], room: Room) -> None:
    """A pack of the images in `keys`, under its name when it is whole, or not at all."""
    path = folder / f"{hashlib.sha256(''.join(sorted(keys.values())).encode()).hexdigest()[:16]}.pack"
    with replacing(path) as file:
        text = json.dumps(append(file, dataset, keys, room)).encode()
        room.take(len(text) + FOOTER)
        file.write(text + len(text).to_bytes(8, "big") + zlib.crc32(text).to_bytes(4, "big") + MAGIC)


def append(
    file: BinaryIO, dataset: SegmentationDataset, keys: dict[Sample, str], room: Room
) -> dict[str, Entry]:
    """Decode the images into `file`, as many at a time as there are threads; where each of them is."""
    turn = threading.Lock()

    def keep(sample: Sample) -> tuple[str, Entry]:
        image, labels = dataset.read(sample)
        block = as_bytes(image, labels).numpy()
        checksum = zlib.crc32(block)
        with turn:
            room.take(len(block))
            start = file.tell()
            file.write(block)
        return keys[sample], (start, *labels.shape, checksum)

    return dict(in_threads(keep, list(keys), f"{dataset.name}: decoding for --cache disk"))
