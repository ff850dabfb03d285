"""Rows of the table `step`: what a CPU gains in whole iterations by not calling PyTorch's own forms."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch

from modules.conv3x3 import Conv3x3
from scripts.benchmark.steps import Bench
from scripts.benchmark.tools import Row, compare
from utils.optimizer import FusedSGD


@contextmanager
def library_forms() -> Iterator[None]:
    """Inside, PyTorch convolves whatever the map, and its optimizer is shown channels-last weights."""

    def step(optimizer):
        optimizer.align()
        torch.optim.SGD.step(optimizer)

    with patch.object(Conv3x3, "by_taps", lambda *_: False), patch.object(FusedSGD, "step", step):
        yield


def rows(bench: Bench, *, rounds: int) -> list[Row]:
    """What it gives a CPU to leave out products with padding, and copies for the optimizer."""
    found = []
    for name in ("MiB", "PLOP"):
        ours = bench.iteration(bench.method(name))
        library = bench.iteration(bench.method(name))

        def in_library_form(library=library):
            with library_forms():
                return library()

        title = f"{name}, {bench.step.num_seen} classes, PyTorch's convolutions and optimizer"
        found.append(compare(title, in_library_form, ours, bench.device, rounds=rounds, images=bench.images))
    return found
