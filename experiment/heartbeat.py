"""A word a minute from work that has no batches to count: preparing a method, reading labels."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from experiment.pace import duration
from utils.distributed import is_main, say

INTERVAL = 60.0  # seconds between two lines


@contextmanager
def heartbeat(work: str) -> Iterator[None]:
    """Say every minute, as long as the `with` block lasts, that `work` goes on; short work says nothing."""
    over, began = threading.Event(), time.monotonic()

    def beat() -> None:
        while not over.wait(INTERVAL):
            say(f"{work}: at work for {duration(time.monotonic() - began)}")

    thread = threading.Thread(target=beat, daemon=True)
    if is_main():
        thread.start()
    try:
        yield
    finally:
        over.set()
        if thread.ident is not None:
            thread.join()
