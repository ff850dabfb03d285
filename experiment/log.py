"""What a run says while it works: a bar on a terminal, lines in a log file, TensorBoard beside both."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from experiment.pace import Pace, duration
from experiment.track import TrackedEvents, Tracker
from metrics.cost import peak_memory
from metrics.table import in_one_line
from utils.distributed import is_main
from utils.pictures.confusion import by_row, confusion_picture
from utils.pictures.fonts import legible

SILENCE = 60.0  # seconds without a terminal after which a line is due


class RunLog:
    """Log of one step; silent on every process but the first.

    On a terminal a bar shows how far the step is. Without one (a log file, a batch system, a pipe) there is a
    line for every epoch, and for every minute of a longer one.

    Args:
        folder: TensorBoard folder of this step. title: what bar and lines begin with.
        ahead: batches that this call trains in later steps. trackers: that are told the same as TensorBoard.
    """

    def __init__(self, folder: Path | str, title: str, *, ahead: int = 0, trackers: Sequence[Tracker] = ()):
        self.folder, self.title, self.pace = Path(folder), title, Pace(ahead)
        self.events = TrackedEvents(folder, trackers) if is_main() else None
        self.lines = is_main() and not (sys.stdout.isatty() and sys.stderr.isatty())
        self.bar: tqdm | None = None
        self.now, self.values, self.lr = "", {}, 0.0  # epoch in words, losses last seen
        self.spoke = time.monotonic()

    def say(self, text: str) -> None:
        """One line on the terminal, above the bar."""
        if is_main():
            tqdm.write(text, file=sys.stdout)
            sys.stdout.flush()
            self.spoke = time.monotonic()

    def epoch(self, epoch: int, epochs: int, batches: int, done: int) -> None:
        """An epoch of `batches` batches begins, `done` of which an earlier run has seen."""
        total, at = epochs * batches, epoch * batches + done
        self.now = f"epoch {epoch + 1}/{epochs}"
        self.pace.epoch(total, at)
        if self.bar is None and self.events:
            self.bar = tqdm(total=total, initial=at, desc=self.title, unit="it", dynamic_ncols=True,
                            mininterval=0.5, disable=None)  # fmt: skip
            self.events.continue_at = at or None

    def advance(self, images: int) -> None:
        """A batch of `images` images is done."""
        self.pace.advance(images)
        if self.bar is not None:
            self.bar.update()
        if self.lines and time.monotonic() - self.spoke > SILENCE:
            self.line(f"{self.now}, batch {self.pace.at} of {self.pace.total}", self.values)

    def losses(self, iteration: int, losses: Mapping, lr: float) -> None:
        """Loss terms of one iteration; reading them waits for the device, so this is called once in a
        while.
        """
        if not self.events:
            return
        self.values, self.lr = {name: float(value) for name, value in losses.items()}, lr
        for name, value in self.values.items():
            self.events.scalar(f"loss/{name}", value, iteration)
        self.events.scalar("lr", lr, iteration)
        if self.bar is not None:
            rate = f"{self.pace.images_per_second:.0f} images/s"
            self.bar.set_postfix_str(f"{in_words(self.values)} lr {lr:.2g} {rate}", refresh=False)

    def end_epoch(self, epoch: int, means: Mapping[str, float]) -> None:
        """An epoch is over; `means` of its loss terms."""
        if not self.events:
            return
        for name, value in means.items():
            self.events.scalar(f"epoch_loss/{name}", value, epoch)
        self.events.scalar("images_per_second", self.pace.images_per_second, epoch)
        if self.lines:
            self.line(self.now, means)

    def line(self, where: str, values: Mapping[str, float]) -> None:
        """Where the step stands, in a line that can be read alone."""
        step, call = self.pace.left()
        left = f"{duration(step)} left" + (f", {duration(call)} of the call" if self.pace.ahead else "")
        self.say(
            f"{self.title}, {where}: {in_words(values)}, lr {self.lr:.2g}, "
            f"{self.pace.images_per_second:.0f} images/s, {left}, peak {peak_memory() / 1e6:,.0f} MB"
        )

    def evaluation(self, loader: Iterable) -> Iterator:
        """`loader` with a bar that vanishes when it is done, or a line a minute."""
        self.close_bar()
        began = self.spoke = time.monotonic()
        bar = tqdm(loader, desc=f"{self.title} test", leave=False, dynamic_ncols=True,
                   disable=None if is_main() else True)  # fmt: skip
        for number, batch in enumerate(bar):
            if self.lines and time.monotonic() - self.spoke > SILENCE:
                left = (time.monotonic() - began) / number * (len(loader) - number)
                self.say(f"{self.title}, test: batch {number} of {len(loader)}, {duration(left)} left")
            yield batch

    def tested(self, result: Mapping, samples: np.ndarray | None) -> None:
        """The test of a step: its numbers in a line; IoU by class, confusion matrix and some predictions.

        Args:
            result: as filed, see `metrics.results`. samples: picture of some predictions, if there are any.
        """
        if not self.events:
            return
        self.say(in_one_line(result))
        step = result["step"]
        for name, value in (result["scores"] | result["over_steps"]).items():
            if isinstance(value, int | float):
                self.events.scalar(f"test/{name}", value, step)
        for entry in result["classes"]:
            if entry["iou"] is not None:
                self.events.scalar(f"test_iou/{entry['name']}", entry["iou"], step)
        names = {entry["label"]: entry["name"] for entry in result["classes"]}
        drawn = dict(zip(names.values(), legible(names).values(), strict=True))
        columns = [drawn.get(name, name) for name in result["columns"]]
        shares = by_row(result["confusion"])
        self.events.picture("test/confusion", confusion_picture(shares, list(drawn.values()), columns), step)
        if samples is not None:
            self.events.picture("test/samples", samples, step)

    def filed(self, folder: Path) -> None:
        """Result files in `folder` are complete, and trackers may have them."""
        for tracker in self.events.trackers if self.events else ():
            tracker.files(folder)

    def close_bar(self) -> None:
        """End the training bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def close(self) -> None:
        """End of the step."""
        self.close_bar()
        if self.events:
            self.events.close()


def in_words(values: Mapping[str, float]) -> str:
    """Loss terms with sensible digits."""
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items()) or "no losses"
