"""Worker processes that start from nothing (macOS, Windows): they import what they need, not the program."""

import multiprocessing
import multiprocessing.context
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import BaseContext, SpawnContext, SpawnProcess

WORTH_A_START = 64  # images a worker must have: below, starting it (2 s of CPU) takes longer than its work
PRELOADED = ["torch.utils.data"]  # by the server that forks workers, once for all of them


class Worker(SpawnProcess):
    """A process that does not run the main module again, as Python lets it by default.

    Python does so in case a function that the process calls is defined there. What a worker calls is not, and
    run.py imports every method, metric and report.
    """

    @staticmethod
    def _Popen(process):  # noqa: N802 - the name that multiprocessing calls
        with main_hidden():
            return SpawnProcess._Popen(process)


class Spawned(SpawnContext):
    """Starts such processes."""

    Process = Worker


def context() -> BaseContext | None:
    """How loaders start their workers; None where that is as Python does it anyway."""
    method = multiprocessing.get_start_method()
    if method == "forkserver":
        multiprocessing.set_forkserver_preload(PRELOADED)
        return ForkServed()
    return Spawned() if method == "spawn" else None


def worth_starting(wanted: int, images: int) -> int:
    """How many of `wanted` workers to start for `images` that are read again and again, or once.

    All where they are forked and have everything already.
    """
    if multiprocessing.get_start_method() != "spawn":
        return wanted
    return min(wanted, images // WORTH_A_START)


@contextmanager
def main_hidden() -> Iterator[None]:
    """Let the main module look as in an interactive session: without a file that a process could run."""
    main = sys.modules["__main__"]
    kept = {name: main.__dict__.pop(name) for name in ("__spec__", "__file__") if name in main.__dict__}
    main.__spec__ = None
    try:
        yield
    finally:
        main.__dict__.update(kept)


if hasattr(multiprocessing.context, "ForkServerContext"):  # not on Windows

    class ServedWorker(multiprocessing.context.ForkServerProcess):
        """The same, forked from a server."""

        @staticmethod
        def _Popen(process):  # noqa: N802
            with main_hidden():
                return multiprocessing.context.ForkServerProcess._Popen(process)

    class ForkServed(multiprocessing.context.ForkServerContext):
        """Starts those."""

        Process = ServedWorker
