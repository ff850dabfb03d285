"""`--cache_limit`: packs of images and features that were not used for longest make room for new ones.

A pack in use is never deleted: who uses it holds a shared lock on its file, which the system lets go of when
the process ends, however it does. Where there are no such locks (Windows), no
open file can be deleted.
"""

import errno
import os
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from utils.distributed import say

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None

# Whole, and being written.
KEPT = [f"{kind}_*/{name}" for kind in ("decoded", "features") for name in ("*.pack", ".*.tmp")]


class Room:
    """At most `limit` bytes of packs in `folder` (`--cache_dir`); 0: as many as the disk holds."""

    def __init__(self, folder: Path, limit: float):
        self.folder, self.limit = folder, limit
        self.left = limit - sum(size for _, size, _ in self._packs()) if limit else float("inf")

    def take(self, size: int) -> None:
        """Let `size` bytes more be written; unused packs go, least recently used first.

        Raises:
            ValueError: if those in use leave no room for them.
        """
        unused = self._oldest() if self.left < size else iter(())
        while self.left < size:
            if (found := next(unused, None)) is None:
                raise ValueError(
                    f"--cache_limit {in_gb(self.limit)} is too small: what this step keeps and the packs in "
                    f"use in {self.folder} take more; give more, another --cache_dir, or leave out --cache"
                )
            path, freed = found
            if deleted_unless_used(path):
                self.left += freed
                say(f"--cache_limit {in_gb(self.limit)}: {path} went ({in_gb(freed)}), unused for longest")
        self.left -= size

    def _oldest(self) -> Iterator[tuple[Path, int]]:
        for _, size, path in sorted(self._packs()):
            if path.suffix == ".pack":
                yield path, size

    def _packs(self) -> Iterator[tuple[float, int, Path]]:
        """When each was last used, its bytes, and the file."""
        for pattern in KEPT:
            for path in self.folder.glob(pattern):
                with suppress(FileNotFoundError):  # another run has made room
                    about = path.stat()
                    yield about.st_mtime, about.st_size, path


class InUse:
    """The file `path`, which no other run deletes as long as this object is there; it was used now.

    Raises:
        FileNotFoundError: if it is gone.
    """

    def __init__(self, path: Path):
        opened = os.open(path, os.O_RDONLY)
        self.close = weakref.finalize(self, os.close, opened)
        if fcntl:
            fcntl.flock(opened, fcntl.LOCK_SH)
            if os.fstat(opened).st_nlink == 0:  # deleted between the two
                self.close()
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        with suppress(PermissionError):  # of another user
            os.utime(path)


def deleted_unless_used(path: Path) -> bool:
    """Delete `path` unless it is in use; whether it is gone."""
    try:
        with path.open("rb") as file:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
        if not fcntl:
            path.unlink()
    except FileNotFoundError:
        return True
    except OSError:  # in use
        return False
    return True


def in_gb(size: float) -> str:
    """Bytes as they are given: 20GB."""
    return f"{size / 1e9:.3g}GB"
