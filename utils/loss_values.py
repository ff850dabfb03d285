"""The values of losses on every process, read from the device in one transfer."""

import math

import torch
from torch import Tensor

from utils.distributed import is_distributed, of_every_process


class NonFiniteLoss(FloatingPointError):
    """A loss term is inf or nan; raised on every process. `epoch`, `batch` and `process` say where it is."""

    def __init__(self, name: str, value: float, epoch: int, batch: int, process: int = 0):
        of = f" of process {process}" if is_distributed() else ""
        super().__init__(f"loss {name!r} is {value} in epoch {epoch}, batch {batch}{of}")
        self.epoch, self.batch, self.process = epoch, batch, process


def read_losses(pending: list[dict[str, Tensor]], progress, batch: int) -> dict[str, float]:
    """Add the `pending` losses, the last of which is that of `batch`, to the epoch's sums; one transfer for
    all. Losses are means over processes; returns the last.

    Raises:
        NonFiniteLoss: if one is not finite; its own batch has not moved the weights if it is the last.
    """
    names = list(pending[-1])
    rows = [torch.stack([losses[name].double() for name in names]) for losses in pending]
    every = torch.stack(of_every_process(torch.stack(rows)), dim=1)  # (batches, processes, terms)
    for number, table in enumerate(every.tolist(), start=batch + 1 - len(pending)):
        for process, row in enumerate(table):
            for name, value in zip(names, row, strict=True):
                if not math.isfinite(value):
                    raise NonFiniteLoss(name, value, progress.epoch, number, process)
                progress.sums[name] = progress.sums.get(name, 0.0) + value / len(table)
    return dict(zip(names, every[-1].mean(0).tolist(), strict=True))
