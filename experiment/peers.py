"""When one process of several fails: who it was, why if that is known, and what is saved, in one line."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch.distributed as dist

from experiment.files import RunFiles
from experiment.peek import peek
from utils import distributed
from utils.commands import Interrupted, PeerLost

WAIT = 3.0  # seconds for the reasons of others
PATIENCE = 20.0  # seconds from SIGTERM until a process counts as stuck; torchrun kills it after 30
CONTINUES = "the same command continues there"
FAILED, SURVIVED = "failed: ", "survived"


@contextmanager
def last_words(saved: Callable[[], str]) -> Iterator[None]:
    """Turn what a process says when it loses another into one line of the first that is left.

    Args:
        saved: what is saved of the run, in words.

    Raises:
        PeerLost: in place of the error of a broken connection; its text is empty on all but one process.
    """
    if not distributed.is_distributed():
        yield
        return
    try:
        with watched(saved):
            yield
    except Interrupted:
        raise
    except Exception as error:
        if not is_of_connection(error):
            report(f"{FAILED}{type(error).__name__}: {' '.join(str(error).split())}")
            raise
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun sends it as soon as it notices the other
        raise PeerLost(words(error, saved)) from None


@contextmanager
def watched(saved: Callable[[], str]) -> Iterator[None]:
    """Say the line from a thread where the main one never comes back from waiting for the other process.

    On GPUs a process may wait in a collective without end, where no handler of a signal runs either; the
    system tells the thread that SIGTERM has come, through a pipe.
    """
    out, into = os.pipe()
    os.set_blocking(into, False)
    before, over = signal.set_wakeup_fd(into, warn_on_full_buffer=False), threading.Event()

    def watch() -> None:
        while signal.SIGTERM not in os.read(out, 64):
            if over.is_set():
                return
        if not over.wait(PATIENCE):
            line = words(TimeoutError("no answer since SIGTERM"), saved, sure=True)
            print(f"{line}\n" if line else "", end="", file=sys.stderr, flush=True)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        os.write(into, b"\0")  # ends the thread's reading; workers of loaders may hold the pipe open
        thread.join()
        os.close(into)
        os.close(out)


def is_of_connection(error: Exception) -> bool:
    """Whether it is the consequence of another process's end or silence."""
    return isinstance(error, dist.DistError) or any(word in str(error) for word in ("gloo", "NCCL"))


def report(text: str) -> None:
    """Tell the others how it ends here, if there is anybody left to keep the message."""
    if distributed.store is not None:
        try:
            distributed.store.set(f"end/{distributed.rank()}", text)
        except (dist.DistError, RuntimeError):
            return


def words(error: Exception, saved: Callable[[], str], *, sure: bool = False) -> str:
    """The line, on the first process that is left; "" on the others.

    Args:
        sure: say nothing if no other process is silent or has failed.
    """
    report(SURVIVED)
    ends = ends_of_others()
    own, world = distributed.rank(), distributed.world_size()
    if any(end == SURVIVED for rank, end in ends.items() if rank < own):
        return ""
    silent = f"is silent: killed, out of memory, or stuck ({first_words(error)})"
    lost = [f"rank {rank} of {world} {end or silent}" for rank, end in ends.items() if end != SURVIVED]
    if sure and not lost:
        return ""
    who = "; ".join(lost) or f"the connection of {world} processes broke ({first_words(error)})"
    return f"{who}. Saved: {saved()}"


def ends_of_others() -> dict[int, str]:
    """How it ended on every other process; "" for those that do not say within `WAIT`."""
    others = [rank for rank in range(distributed.world_size()) if rank != distributed.rank()]
    ends, deadline = dict.fromkeys(others, ""), time.monotonic() + WAIT
    try:
        while not all(ends.values()) and time.monotonic() < deadline:
            for rank in others:
                if not ends[rank] and distributed.store and distributed.store.check([f"end/{rank}"]):
                    ends[rank] = distributed.store.get(f"end/{rank}").decode()
            time.sleep(0.05)
    except (dist.DistError, RuntimeError):  # the process that kept the messages is gone
        ends[0] = ends.get(0, "")
    return ends


def first_words(error: Exception) -> str:
    """The cause as the library says it, without its places in the source."""
    said = " ".join(str(error).split("] ")[-1].split()).split(". ")[0]
    return said[:80] or type(error).__name__


def what_is_saved(files: RunFiles) -> str:
    """The unfinished step and how far it is, or the last finished one; and what the command does then."""
    unfinished = sorted(files.checkpoint(0).parent.glob("step_*.last.pt"))
    if unfinished:
        progress = peek(unfinished[-1]).get("progress", {"epoch": 0, "batch": 0})
        return f"{unfinished[-1]}, epoch {progress['epoch']}, batch {progress['batch']}; {CONTINUES}"
    finished = files.checkpoints_saved()
    return f"{finished[-1]}; {CONTINUES}" if finished else "nothing yet; the same command begins again"
