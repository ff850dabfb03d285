"""One run per folder: a second one is refused instead of overwriting the first one's files."""

import json
import os
import socket
import time
from pathlib import Path

from utils.distributed import barrier, is_main


class RunLock:
    """Holds `folder` for this run (its first process) as long as the `with` block lasts.

    The lock file names host and process. One whose process has gone, on this host, is recognised as stale.

    Raises:
        ValueError: on entering, if another run works there.
    """

    def __init__(self, folder: Path | str):
        self.path = Path(folder) / ".lock"

    def __enter__(self) -> "RunLock":
        if is_main():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            while not self._created():
                holder = self._holder()
                if not is_stale(holder):
                    raise ValueError(
                        f"another run (process {holder.get('pid')} on {holder.get('host')}, since "
                        f"{holder.get('since')}) works in {self.path.parent}; give this another --name, or "
                        f"remove {self.path} if that run is gone"
                    )
                self.path.unlink(missing_ok=True)
        barrier()
        return self

    def __exit__(self, *_) -> None:
        if is_main():
            self.path.unlink(missing_ok=True)

    def _created(self) -> bool:
        """Whether the file is ours; the system lets one process alone create it."""
        try:
            descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return False
        about = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(about, file)
        return True

    def _holder(self) -> dict:
        try:
            return json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}


def is_stale(holder: dict) -> bool:
    """Whether the process that `holder` names ran on this host and is gone; an unreadable file is not
    stale.
    """
    if holder.get("host") != socket.gethostname():
        return False
    try:
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError, ValueError, KeyError):
        return False
    return int(holder["pid"]) == os.getpid()  # a number that the system has given out again
