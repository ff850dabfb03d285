"""Temporary files whose writer was killed: as large as a checkpoint each, and of no use."""

import socket
from pathlib import Path

from experiment.lock import is_stale
from utils.files import writer_of


def remove_leftovers(folder: Path, *, alone: bool = False) -> list[Path]:
    """Remove what killed processes left half written in `folder`; returns what is gone.

    Nothing of a process that lives on this host is touched, and, unless `alone`, nothing of another host
    or of an unknown writer.

    Args:
        alone: this run holds the lock of `folder`, so that nobody else, here or elsewhere, writes there.
    """
    removed = []
    for path in folder.glob(".*.tmp"):
        host, pid = writer_of(path)
        if is_stale({"host": host, "pid": pid}) or (alone and host != socket.gethostname()):
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed
