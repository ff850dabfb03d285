"""What is in the files of a dataset: tells it from another one whose files have the same names."""

import hashlib
import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np

from dataset.base import Sample, SegmentationDataset
from dataset.presence import by_main
from dataset.samples import Samples
from dataset.threads import in_threads
from utils.files import replacing

FORMAT = "2"  # of the cached files; part of their names
WHOLE = 1 << 20  # bytes; larger pictures are known by their first, middle and last quarter of that
WIDTH = 16  # bytes of a digest


@lru_cache(maxsize=8)
def contents(dataset: SegmentationDataset, split: str, cache_dir: Path | str) -> np.ndarray:
    """Digest of picture and mask of each image of `split`, uint8 (N, 16), in the order of its samples.

    Kept in `cache_dir` under a name that follows from paths, sizes and times of the files: only after one of
    them has changed are they read again.

    Raises:
        ValueError: if the folder cannot be written. OSError: if a file cannot be read.
    """
    return by_main(lambda: _load_or_read(dataset, split, Path(cache_dir)))


def _load_or_read(dataset: SegmentationDataset, split: str, cache_dir: Path) -> np.ndarray:
    samples = Samples.of(dataset.samples(split))
    stamp = hashlib.sha256((FORMAT + dataset.fingerprint(split)).encode())
    about = [
        (f"{path}\t{size}\t{time}\n" for path, size, time in zip(paths, *known.T.tolist(), strict=True))
        for paths, known in samples.files()
    ]
    for line in map("".join, zip(*about, strict=True)):
        stamp.update(line.encode())
    path = cache_dir / f"content_{dataset.name}_{split}_{stamp.hexdigest()[:16]}.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return stored["digests"]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        pass  # none yet, or a damaged one
    rows = in_threads(digest, samples, f"{dataset.name} {split}: checking content")
    digests = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, WIDTH)
    try:
        with replacing(path) as file:
            np.savez(file, digests=digests)
    except OSError as error:
        reason = f"cannot write to {cache_dir} ({error.strerror})"
        raise ValueError(f"{reason}; give another folder by --cache_dir") from None
    return digests


def files_of(sample: Sample) -> list[Path]:
    """Picture and mask, as far as they are files."""
    return [path for path in (sample.image, sample.mask) if path]


def digest(sample: Sample) -> bytes:
    """Hash of a sample's files: sizes, all bytes of the mask and of a picture up to `WHOLE`; 0 without files.

    Of a larger picture three parts; a change of it in place elsewhere, at the same size, is not seen.
    """
    if not files_of(sample):
        return bytes(WIDTH)
    found = hashlib.blake2b(digest_size=WIDTH)
    for path in files_of(sample):
        with path.open("rb") as file:
            size = file.seek(0, 2)
            found.update(size.to_bytes(8, "big"))
            part = size if path == sample.mask or size <= WHOLE else WHOLE // 4
            for start in (0, (size - part) // 2, size - part) if part < size else (0,):
                file.seek(start)
                found.update(file.read(part))
    return found.digest()
