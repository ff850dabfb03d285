"""Trackers beside TensorBoard, for `--track`: one run there for all steps, which every call continues."""

import importlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np

from experiment.events import Events
from experiment.files import RunFiles
from experiment.trackers import TRACKERS
from utils.commands import Interrupted
from utils.distributed import is_main, say
from utils.files import write_text

IDS = "tracked.json"


class Tracker(Protocol):
    """A run in a tracker, which `connect(setting, run, id, values, folder)` has opened or continued."""

    id: str

    def scalar(self, name: str, value: float, at: int) -> None:
        """One number of the curve `name`, at the place `at` of its axis."""

    def picture(self, name: str, image: np.ndarray, at: int) -> None:
        """An RGB picture (H, W, 3), uint8."""

    def files(self, folder: Path) -> None:
        """Keep the files of a folder, in place of an earlier state of them."""

    def close(self, *, status: str) -> None:
        """End of the call, "finished", "stopped" (another call goes on) or "failed"."""


class TrackedEvents(Events):
    """Event files, whose numbers and pictures go to trackers, too.

    There all steps are in one run: what counts iterations is named after its step, "step_1/loss/ce", what
    counts steps is not, "test/miou_all".
    """

    def __init__(self, folder: Path | str, trackers: Sequence[Tracker] = ()):
        super().__init__(folder)
        self.trackers = trackers

    def scalar(self, name: str, value: float, step: int) -> None:
        super().scalar(name, value, step)
        for tracker in self.trackers:
            tracker.scalar(self.tracked_name(name), value, step)

    def picture(self, name: str, image: np.ndarray, step: int) -> None:
        super().picture(name, image, step)
        for tracker in self.trackers:
            tracker.picture(self.tracked_name(name), image, step)

    def tracked_name(self, name: str) -> str:
        """What a tracker calls it."""
        return name if name.startswith("test") else f"{self.folder.name}/{name}"


@contextmanager
def tracked(names: Sequence[str], files: RunFiles, values: Mapping) -> Iterator[list[Tracker]]:
    """The trackers called `names` while a call of the run works; none on processes other than the first.

    Args:
        files: of the run; its checkpoints' folder remembers under which ids the trackers know it.
        values: the resolved configuration.

    Raises:
        ValueError: if a package is missing or a tracker refuses, before anything is trained.
    """
    if not names or not is_main():
        yield []
        return
    with ExitStack() as open_ones:
        status, opened = "failed", []

        def close_all() -> None:
            for tracker in opened:
                tracker.close(status=status)

        open_ones.callback(close_all)
        for name in dict.fromkeys(names):
            opened.append(connect(name, files, values))
            say(f"tracked by {name}: run {opened[-1].id} of {files.setting}")
        try:
            yield opened
            status = "finished"
        except (Interrupted, KeyboardInterrupt):
            status = "stopped"
            raise


def connect(name: str, files: RunFiles, values: Mapping) -> Tracker:
    """The run of the tracker `name`: a new one, or that of the call before."""
    file = files.checkpoint(0).parent / IDS
    ids = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    try:
        module = importlib.import_module(TRACKERS[name])
        tracker = module.connect(files.setting, files.run, ids.get(name, ""), plain(values), files.log_root)
    except ImportError as error:
        if error.name != name:
            raise
        raise ValueError(f"--track {name} needs its package: python -m pip install {name}") from None
    if ids.get(name) != tracker.id:
        write_text(file, json.dumps(ids | {name: tracker.id}) + "\n")
    return tracker


def new_id() -> str:
    """An id for a tracker that lets its users choose one."""
    return uuid.uuid4().hex[:12]


def plain(values: Mapping) -> dict:
    """A configuration as every tracker shows it: lists as words."""
    return {
        name: " ".join(map(str, value)) if isinstance(value, list | tuple) else value
        for name, value in values.items()
    }
