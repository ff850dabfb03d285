"""Worker: train each method for an epoch in float64; every rank leaves its weights and what it sent.

torchrun --nproc_per_node N -m tests.two_processes FOLDER METHOD...
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

from methods import METHODS
from tests.builders import SilentLog, TinyLoader, make_method
from train import Training, fit
from utils import distributed
from utils.masks.points import Points


class Share(TinyLoader):
    """This process's share of each batch of four."""

    def __init__(self, step):
        super().__init__(step, batches=3, n=4)
        rank, world = distributed.rank(), distributed.world_size()
        self.batches = [(images[rank::world], labels[rank::world]) for images, labels in self.batches]


@dataclass
class Grid(Points):
    """The same points for every layer, image and pair: whoever compares masks, compares them there."""

    def for_matching(self, layers, images, like):
        return self.few(self.number, like).expand(layers, images, -1, -1)

    def for_losses(self, layer, pairs, like):
        return [self.few(count, like).expand(pairs, -1, -1) for count in (3 * self.number, self.number // 4)]

    def few(self, count, like):
        """Some points (count, 2)."""
        return torch.rand(count, 2, generator=torch.Generator().manual_seed(count), dtype=like.dtype)


def count_sent(model) -> list[int]:
    """Numbers in each bucket of gradients that `model` sends from here on; empty if there is one process."""
    sent: list[int] = []

    def hook(group, bucket):
        sent.append(bucket.buffer().numel())
        return allreduce_hook(group, bucket)

    if distributed.is_distributed():
        model.register_comm_hook(None, hook)
    return sent


def main(folder: str, *names: str) -> None:
    """Train and save."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    device = distributed.init(60)
    for name in names:
        still = {"dropout": 0.0} if hasattr(METHODS[name], "dropout") else {}  # each process draws its own
        method = make_method(name, 1, loader=Share, **still)
        method.training = Training(epochs=1, lr=0.001)
        loader, head = Share(method.step), method.net.head
        if hasattr(head, "criterion"):  # each process draws its own points
            head.criterion = replace(head.criterion, points=Grid(32))
        torch.manual_seed(1)
        method.start_increment(loader)
        sent: list[int] = []
        if not (solves := method.fit_step(loader)):
            method.model = distributed.distribute(method.net, device)
            sent = count_sent(method.model)
            fit(method, loader, method.training, device=device, log=SilentLog())
        method.end_increment(loader)
        path = (
            Path(folder) / f"{name.replace('*', '_STAR')}_{distributed.world_size()}_{distributed.rank()}.pt"
        )
        trainable = sum(parameter.numel() for parameter in method.net.trainable())
        spared = {"sent": sum(sent) / len(loader), "trainable": trainable, "solves": solves}
        torch.save({"net": method.net.state_dict(), **spared}, path)
    distributed.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
