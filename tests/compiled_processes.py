"""Worker: losses of a few iterations on this process's share, as they are and compiled, into a folder.

torchrun --nproc_per_node 2 -m tests.compiled_processes FOLDER METHOD...
"""

import json
import sys
from pathlib import Path

import torch
from torch._dynamo.utils import counters

from tests.builders import make_method
from tests.two_processes import Share
from train import Training, start, train_one_epoch
from utils import compile as acceleration
from utils import distributed


class Losses:
    """A log that keeps the losses, and how many graphs there were at each."""

    def __init__(self):
        self.kept, self.graphs = [], []

    def losses(self, iteration: int, losses: dict, lr: float) -> None:
        self.kept.append({name: float(value) for name, value in losses.items()})
        self.graphs.append(counters["stats"]["unique_graphs"])

    def advance(self, images: int) -> None:
        """Not of interest."""


def trained(name: str, backend: str, device: torch.device) -> Losses:
    """Three iterations in each of two epochs."""
    torch._dynamo.reset()
    counters.clear()
    acceleration.use_compiled(backend)
    method, log = make_method(name, 1), Losses()
    method.training = Training(epochs=2, lr=0.001)
    loader = Share(method.step)
    method.start_increment(loader)
    acceleration.compile_network(method)
    method.model = distributed.distribute(method.net, device)
    progress = start(method, method.training, batches=len(loader), device=device)
    for progress.epoch in range(2):
        progress.batch = 0
        train_one_epoch(method, loader, method.training, progress, device=device, log=log)
    return log


def main(folder: str, *names: str) -> None:
    """Train and file."""
    torch.set_num_threads(1)
    device = distributed.init(60)
    for name in names:
        plain, compiled = (trained(name, backend, device) for backend in ("", "aot_eager"))
        found = {
            "plain": plain.kept,
            "compiled": compiled.kept,
            "graphs": compiled.graphs,
            "breaks": sum(counters["graph_break"].values()),
        }
        file = Path(folder) / f"{name.replace('*', '_STAR')}_{distributed.rank()}.json"
        file.write_text(json.dumps(found), encoding="utf-8")
    distributed.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
