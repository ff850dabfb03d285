"""Files out of tar and zip archives: only those whose names are wanted, and none outside of the folder."""

import gzip
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from utils.files import write_bytes

LARGEST = 64 << 20  # bytes of one file; the largest picture of all data sets has 3 MB
# What damaged archives raise; RuntimeError is for encryption and unknown compression.
BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,
)


@contextmanager
def _by_name(path: Path) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} is damaged ({reason}); remove it and get it again") from None


def entries(path: Path) -> Iterator[tuple[str, int, Callable[[], IO[bytes]]]]:
    """Name, size and opener of every regular file in the archive `path`, in the order of the archive.

    Raises:
        ValueError: if it is no archive, is damaged, or names a file outside of itself.
    """
    with _by_name(path):
        for name, size, opener in _zipped(path) if zipfile.is_zipfile(path) else _tarred(path):
            if name.startswith(("/", "\\")) or ".." in PurePosixPath(name.replace("\\", "/")).parts:
                raise ValueError(f"{path} holds a file named {name!r}: this is no official archive")
            yield name, size, opener


def _zipped(path: Path) -> Iterator[tuple[str, int, Callable[[], IO[bytes]]]]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16):
                yield info.filename, info.file_size, lambda info=info: archive.open(info)


def _tarred(path: Path) -> Iterator[tuple[str, int, Callable[[], IO[bytes]]]]:
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isreg():
                yield member.name, member.size, lambda member=member: archive.extractfile(member)


def wanted(path: Path, pattern: str) -> Iterator[tuple[re.Match, int, Callable[[], bytes]]]:
    """Files of the archive `path` whose whole name fits `pattern`: the match, the size, what reads the file.

    Raises:
        ValueError: like `entries`, or if a file is larger than any picture is.
    """
    names = re.compile(pattern)
    with tqdm(desc=f"reading {path.name}", unit="file", disable=None) as bar:
        for name, size, opener in entries(path):
            bar.update()
            match = names.fullmatch(name.removeprefix("./"))
            if match:
                if size > LARGEST:
                    raise ValueError(f"{path}: {name} has {size:,} bytes; this is no official archive")
                yield match, size, lambda opener=opener: _read(path, opener)


def _read(path: Path, opener: Callable[[], IO[bytes]]) -> bytes:
    with _by_name(path), opener() as file:
        return file.read()


def unpack(path: Path, folder: Path, pattern: str) -> int:
    """Write the files of the archive `path` that fit `pattern` to `folder`/<their group "place">.

    Files that are there in their full size are left alone, so that an interrupted unpacking continues.

    Returns:
        number of files that fit.
    """
    number = 0
    for match, size, read in wanted(path, pattern):
        number += 1
        target = folder / match["place"]
        if not (target.is_file() and target.stat().st_size == size):
            write_bytes(target, read())
    return number
