"""Temporary files whose writer was killed: as large as a checkpoint each, and of no use."""

import os
import socket
from pathlib import Path

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
        if is_gone(host, pid) or (alone and host != socket.gethostname()):
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def is_gone(host: str, pid: int) -> bool:
    """Whether the process `pid` ran on this `host` and has ended; False where that cannot be told."""
    if host != socket.gethostname() or os.name == "nt":  # on Windows the question would end the process
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return pid == os.getpid()  # a number that the system has given out again
