"""What a run shows while it works: progress bars on the terminal, scalars and pictures in TensorBoard."""

import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from tensorboardX import SummaryWriter
from tqdm import tqdm

from experiment.log_pictures import sample_picture
from utils.distributed import is_main, world_size
from utils.pictures.confusion import by_row, confusion_picture
from utils.pictures.fonts import legible


class RunLog:
    """Log of one step; silent on every process but the first.

    Args:
        folder: TensorBoard folder of this step. title: what the progress bar says.
    """

    def __init__(self, folder: Path | str, title: str):
        self.title = title
        # The suffix keeps two logs of one second, of training and test, from overwriting each other.
        suffix = f".{os.getpid()}.{time.monotonic_ns()}"
        self.writer = SummaryWriter(str(folder), flush_secs=30, filename_suffix=suffix) if is_main() else None
        self.bar: tqdm | None = None
        self.images = 0
        self.started = time.perf_counter()

    def say(self, text: str) -> None:
        """One line on the terminal, above the bar."""
        if is_main():
            tqdm.write(text, file=sys.stdout)
            sys.stdout.flush()

    def epoch(self, epoch: int, epochs: int, batches: int, done: int) -> None:
        """An epoch of `batches` batches begins, `done` of which an earlier run has seen."""
        if self.bar is None and is_main():
            self.bar = tqdm(
                total=epochs * batches,
                initial=epoch * batches + done,
                desc=self.title,
                unit="it",
                dynamic_ncols=True,
                mininterval=0.5,
                disable=None,
            )
        self.started, self.images = time.perf_counter(), 0

    def advance(self, images: int) -> None:
        """A batch of `images` images is done."""
        self.images += images
        if self.bar is not None:
            self.bar.update()

    def losses(self, iteration: int, losses: Mapping, lr: float) -> None:
        """Loss terms of one iteration; reading them waits for the device, so this is called once in a
        while.
        """
        if self.writer is None:
            return
        values = {name: float(value) for name, value in losses.items()}
        for name, value in values.items():
            self.writer.add_scalar(f"loss/{name}", value, iteration)
        self.writer.add_scalar("lr", lr, iteration)
        if self.bar is not None:
            shown = " ".join(f"{name} {value:.3f}" for name, value in values.items())
            self.bar.set_postfix_str(
                f"{shown} lr {lr:.2g} {self.images_per_second():.0f} img/s", refresh=False
            )

    def images_per_second(self) -> float:
        """Rate of the current epoch over all processes."""
        return self.images * world_size() / max(time.perf_counter() - self.started, 1e-9)

    def end_epoch(self, epoch: int, means: Mapping[str, float]) -> None:
        """An epoch is over; `means` of its loss terms."""
        if self.writer is None:
            return
        for name, value in means.items():
            self.writer.add_scalar(f"epoch_loss/{name}", value, epoch)
        self.writer.add_scalar("images_per_second", self.images_per_second(), epoch)

    def evaluation(self, loader: Iterable) -> Iterable:
        """`loader` with a progress bar that vanishes when it is done."""
        self.close_bar()
        return tqdm(
            loader,
            desc=f"{self.title} test",
            leave=False,
            dynamic_ncols=True,
            disable=None if is_main() else True,
        )

    def scores(self, scores: Mapping[str, float], step: int) -> None:
        """Final numbers of step `step`."""
        if self.writer is not None:
            for name, value in scores.items():
                if isinstance(value, int | float):
                    self.writer.add_scalar(f"test/{name}", value, step)

    def tested(self, result: Mapping, method, images) -> None:
        """The test of a step: its numbers, IoU by class, confusion matrix and some predictions.

        Args:
            result: as filed, see `metrics.results`. method: that was tested. images: of the test.
        """
        if self.writer is None:
            return
        step = result["step"]
        self.scores(result["scores"], step)
        for entry in result["classes"]:
            if entry["iou"] is not None:
                self.writer.add_scalar(f"test_iou/{entry['name']}", entry["iou"], step)
        names = {entry["label"]: entry["name"] for entry in result["classes"]}
        drawn = dict(zip(names.values(), legible(names).values(), strict=True))
        columns = [drawn.get(name, name) for name in result["columns"]]
        shares = by_row(result["confusion"])
        self.picture("test/confusion", confusion_picture(shares, list(drawn.values()), columns), step)
        if len(images):
            self.picture("test/samples", sample_picture(method, images), step)

    def picture(self, name: str, image: np.ndarray, step: int) -> None:
        """An RGB picture (H, W, 3), uint8."""
        if self.writer is not None:
            self.writer.add_image(name, image, step, dataformats="HWC")

    def close_bar(self) -> None:
        """End the training bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def close(self) -> None:
        """End of the step."""
        self.close_bar()
        if self.writer is not None:
            self.writer.close()
