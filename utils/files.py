"""Atomic writes, and the files below a folder."""

import hashlib
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


def write_text(path: Path | str, text: str) -> Path:
    """Replace `path` by `text` in UTF-8; otherwise as `write_bytes`."""
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path | str, data: bytes) -> Path:
    """Replace `path` by `data` atomically (temporary file beside it, fsync, rename); creates its folder.

    Raises:
        OSError: if it cannot be written; `path` is untouched then.
    """
    with replacing(path) as file:
        file.write(data)
    return Path(path)


@contextmanager
def replacing(path: Path | str) -> Iterator[BinaryIO]:
    """A temporary file to write, which replaces `path` when the block ends and is deleted if it fails."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_for(path)
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def file_hash(path: str) -> str:
    """SHA-256 of what is in the file at `path`; "" without a file."""
    if not path or not Path(path).is_file():
        return ""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_below(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """Files with one of the `suffixes` in `folder` and its folders, sorted; names with a dot before are none.

    Raises:
        FileNotFoundError: if there is no such folder, or no such file in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    suffixes = tuple(suffixes)
    found = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in suffixes and path.is_file()]
    found = [
        path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not found:
        raise FileNotFoundError(f"{folder} has no file {' or '.join(f'*{suffix}' for suffix in suffixes)}")
    return found


def temporary_for(path: Path) -> Path:
    """Where this process prepares what is to be at `path`: a name of its own, which says whose it is."""
    writer = f"{socket.gethostname()}-{os.getpid()}"  # nodes may share the folder
    return path.with_name(f".{path.name}.{writer}-{uuid4().hex}.tmp")


def writer_of(temporary: Path) -> tuple[str, int]:
    """Host and process that made the name `temporary`, see `temporary_for`; ("", 0) if it does not say."""
    words = temporary.name.removesuffix(".tmp").rsplit("-", 2)
    if len(words) < 3 or not words[1].isdigit():
        return "", 0
    name, pid, _ = words
    here = socket.gethostname()
    return (here if name.endswith(f".{here}") else name.rsplit(".", 1)[-1]), int(pid)


def version_of(path: Path) -> tuple[int, ...]:
    """What changes when a file is written anew."""
    about = path.stat()
    return about.st_ino, about.st_mtime_ns, about.st_size
