"""Event files of TensorBoard: written, read back, and cleared of those that a killed run left empty."""

import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiment.leftovers import is_gone

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter
    from tensorboardX.proto import event_pb2


class Events:
    """Writes scalars and pictures into `folder`; the file begins with the first of them.

    A file that follows others hides what they hold from `continue_at` on: what a killed run logged after it
    was last saved comes again.
    """

    def __init__(self, folder: Path | str):
        self.folder, self.continue_at = Path(folder), None
        self._writer: SummaryWriter | None = None

    @property
    def writer(self) -> "SummaryWriter":
        """The open file."""
        if self._writer is None:
            from tensorboardX import SummaryWriter  # brings PyTorch: only where there is something to write

            remove_empty(self.folder)
            # The suffix keeps two logs of one second, of training and test, from overwriting each other.
            suffix = f".{os.getpid()}.{time.monotonic_ns()}"
            self._writer = SummaryWriter(str(self.folder), flush_secs=30, filename_suffix=suffix,
                                         purge_step=self.continue_at)  # fmt: skip
        return self._writer

    def scalar(self, name: str, value: float, step: int) -> None:
        """One number."""
        self.writer.add_scalar(name, value, step)

    def picture(self, name: str, image: np.ndarray, step: int) -> None:
        """An RGB picture (H, W, 3), uint8."""
        self.writer.add_image(name, image, step, dataformats="HWC")

    def close(self) -> None:
        """Write what is pending."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def read_events(folder: Path | str) -> Iterator[tuple[str, int, float | bytes]]:
    """Name, step, and number or PNG file of everything in the event files of `folder`, in order of writing.

    A file that breaks off, because its writer was killed or still works, is read as far as it goes.
    """
    for path in sorted(Path(folder).glob("events.out.tfevents.*")):
        for event in all_events(path):
            for value in event.summary.value:
                yield value.tag, event.step, value.image.encoded_image_string or value.simple_value


def all_events(path: Path) -> "Iterator[event_pb2.Event]":
    """The records of an event file: length, checksum of the length, event, checksum of the event."""
    from tensorboardX.proto import event_pb2

    data, at = path.read_bytes(), 0
    while at + 12 <= len(data):
        (length,) = struct.unpack("<Q", data[at : at + 8])
        if at + 16 + length > len(data):
            return
        yield event_pb2.Event.FromString(data[at + 12 : at + 12 + length])
        at += 16 + length


def remove_empty(folder: Path) -> None:
    """Remove event files without a value whose writer is gone."""
    for path in folder.glob("events.out.tfevents.*"):
        host, _, pid = path.name.rpartition(".")[0].rpartition(".")
        here = host.endswith(f".{socket.gethostname()}")
        if path.stat().st_size < 1000 and here and pid.isdigit() and is_gone(socket.gethostname(), int(pid)):
            if not any(event.summary.value for event in all_events(path)):
                path.unlink(missing_ok=True)
