"""One run per folder: a second one is refused instead of overwriting the first one's files."""

import json
import os
import socket
import time
from pathlib import Path

from filelock import FileLock, Timeout

from utils.distributed import barrier, is_main


class RunLock:
    """Holds `folder` for this run (its first process) as long as the `with` block lasts.

    The system itself holds the lock and lets go of it when the process ends, however it ends: a killed run
    blocks nobody, and no process has to be asked whether it still lives, which Windows cannot answer. Who
    holds it stands in a file beside the lock, because Windows lets nobody read a locked one.

    Raises:
        ValueError: on entering, if another run works there.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self.holder = self.folder / ".lock.json"
        self.lock = FileLock(self.folder / ".lock")

    def __enter__(self) -> "RunLock":
        if is_main():
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                self.lock.acquire(timeout=0)
            except Timeout:
                raise ValueError(
                    f"another run{self._who()} works in {self.folder}; give this another --name, or wait"
                ) from None
            about = {"host": socket.gethostname(), "pid": os.getpid()}
            about["since"] = time.strftime("%Y-%m-%d %H:%M:%S")
            self.holder.write_text(json.dumps(about), encoding="utf-8")
        barrier()
        return self

    def __exit__(self, *_) -> None:
        if is_main():
            self.holder.unlink(missing_ok=True)
            self.lock.release()

    def _who(self) -> str:
        """What the holder says of itself, for the message; "" in the instant before it has."""
        try:
            about = json.loads(self.holder.read_text(encoding="utf-8"))
            return f" (process {about['pid']} on {about['host']}, since {about['since']})"
        except (OSError, ValueError, KeyError, TypeError):
            return ""
