"""Runs of run.py beside each other, each in a process of its own that need not import anything any more."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

POLL = 0.1  # seconds between two looks at the runs


@dataclass
class Job:
    """One call of run.py.

    Args:
        name: what the user knows it by. arguments: its command line. log: file of its output.
        after: the job whose step 0 it may take over, which is then `there`.
    """

    name: str
    arguments: list[str]
    log: Path
    after: "Job | None" = None
    there: Callable[[], bool] = lambda: True
    process: multiprocessing.Process | None = field(default=None, repr=False)
    shown: int = 0  # characters of the log that the user has seen

    @property
    def ended(self) -> bool:
        """Whether it has run."""
        return self.process is not None and self.process.exitcode is not None

    @property
    def ready(self) -> bool:
        """Whether it may start."""
        return self.process is None and (self.after is None or self.after.ended or self.there())


def run_jobs(jobs: Sequence[Job], *, at_once: int, say: Callable[[str], None]) -> Iterator[Job]:
    """Run all `jobs`, in their order as far as they do not wait for each other; yields each that has ended.

    A job that fails stops no other. With one at a time its output is passed on as it comes, through `say`.

    Args:
        at_once: runs beside each other; they divide the cores between them.
    """
    threads = 0 if "OMP_NUM_THREADS" in os.environ else max((os.cpu_count() or 1) // at_once, 1)
    forks = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if forks else "spawn")
    if forks:  # the first process imports, the runs are forked from it: clean, and with all imports done
        context.set_forkserver_preload(["run", "increments"])
    waiting, running = list(jobs), []
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        while waiting or running:
            for job in [job for job in waiting if job.ready][: at_once - len(running)]:
                waiting.remove(job)
                running.append(start(job, context, threads))
                say(f"== {job.name}: {job.log}")
            time.sleep(POLL)
            for job in running:
                if at_once == 1:
                    pass_on(job, say)
            for job in [job for job in running if job.ended]:
                running.remove(job)
                yield job
    finally:
        for job in running:  # interrupted: each saves what it has
            if job.process.is_alive():
                job.process.terminate()
        for job in running:
            job.process.join()
        signal.signal(signal.SIGTERM, before)


def _interrupt(*_) -> None:
    raise KeyboardInterrupt


def start(job: Job, context, threads: int) -> Job:
    """Begin `job` with as many `threads`, 0 for what the environment says."""
    job.log.parent.mkdir(parents=True, exist_ok=True)
    job.log.write_text("", encoding="utf-8")
    job.process = context.Process(target=call, args=(job.arguments, str(job.log), threads))
    job.process.start()
    return job


def call(arguments: list[str], log: str, threads: int) -> None:
    """What the process of a job does."""
    import torch  # there already, where processes are forked

    import run

    with open(log, "a", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if threads:
        torch.set_num_threads(threads)
    sys.exit(run.main(arguments))


def pass_on(job: Job, say: Callable[[str], None]) -> None:
    """Show the lines that `job` has written since the last time."""
    text = job.log.read_text(encoding="utf-8", errors="replace")
    end = len(text) if job.ended else text.rfind("\n") + 1
    if end > job.shown:
        say(text[job.shown : end].rstrip("\n"))
        job.shown = end
