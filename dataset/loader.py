"""Batches: which image comes when, on which process."""

import atexit
import multiprocessing
import random
import signal
import sys
from array import array
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from dataset.thread_loader import ThreadLoader
from dataset.transform import to_device
from utils.distributed import rank, world_size


class Batches(Sampler):
    """Keys of the images of each batch of this process.

    Training: every epoch has its own order, a function of seed and epoch; all processes get the same
    number of full batches, and together they see in their k-th batches what one process would see in its
    k-th batch, were it as large as all of theirs. Evaluation: the images in their order, cut into batches,
    and whole batches dealt out to the processes. So a batch holds the same images whatever the number of
    processes; the last bits of a network's answer may depend on its batch, and thus every count is the same.
    No image is repeated to even out the shares, so that none is counted twice.

    Args:
        num_images: images of the dataset.
        batch_size: images per batch and process.
        train: whether to shuffle, drop the incomplete last batch, and yield (epoch, index) instead of index.
        seed: of the order.
        rank: number of this process.
        world: number of processes.
    """

    # Differs from all published systems: their evaluation repeats images until every process has as many.
    def __init__(
        self, num_images: int, batch_size: int, *, train: bool, seed: int = 0, rank: int = 0, world: int = 1
    ):
        self.num_images, self.batch_size, self.train, self.seed = num_images, batch_size, train, seed
        self.rank, self.world = rank, world
        self.epoch, self.first, self.complete = 0, 0, False

    def seek(self, epoch: int, batch: int = 0, *, complete: bool = False) -> None:
        """Let the next pass be that of `epoch`, from number `batch` on; `len` stays that of a whole epoch.

        A `complete` pass leaves no image out: its last batches may be smaller, and their number may differ
        between processes, which must not wait for each other in it.
        """
        self.epoch, self.first, self.complete = epoch, batch, complete

    def __len__(self) -> int:
        if self.train:
            return self.num_images // (self.batch_size * self.world)
        return len(range(self.rank, -(-self.num_images // self.batch_size), self.world))

    def __iter__(self) -> Iterator[list]:
        size, images = self.batch_size, range(self.num_images)
        if self.train:
            order = array("q", images)  # objects would take five times as much, for a whole epoch
            random.Random(f"{self.seed}/{self.epoch}").shuffle(order)
            own = order[self.rank :: self.world]
            last = -(-len(own) // size) if self.complete else len(self)
            for batch in range(self.first, last):
                yield [(self.epoch, index) for index in own[batch * size : (batch + 1) * size]]
        else:
            for batch in range(self.rank + self.first * self.world, -(-len(images) // size), self.world):
                yield [*images[batch * size : (batch + 1) * size]]


def make_loader(
    dataset: Dataset, batch_size: int, *, train: bool, seed: int = 0, num_workers: int = 0
) -> DataLoader | ThreadLoader:
    """Loader of (images uint8 (N, 3, h, w), labels uint8 (N, h, w)) for this process.

    `loader.batch_sampler.seek(epoch, batch)` says where the next pass starts. Images of different sizes,
    which only evaluation has, come one by one whatever `batch_size` says. Workers are processes where these
    are forked, else threads.

    Raises:
        ValueError: if there are too few images for one training batch.
    """
    if not train and not dataset.same_size:
        batch_size = 1
    if train and len(dataset) < batch_size * world_size():
        most = len(dataset) // world_size()
        cure = f"give --batch_size {most} or less" if most else "choose another task or setting"
        raise ValueError(
            f"this step has {len(dataset)} training images, too few for one batch of {batch_size} on each of "
            f"{world_size()} processes; {cure}"
        )
    batches = Batches(len(dataset), batch_size, train=train, seed=seed, rank=rank(), world=world_size())
    if num_workers > 0 and not forks():
        return ThreadLoader(dataset, batches, num_workers)
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        multiprocessing_context="fork" if num_workers > 0 else None,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator().manual_seed(seed),  # else each pass draws from the global generator
        worker_init_fn=heed_no_signal,
    )


def forks() -> bool:
    """Whether worker processes are forked, and thus have at once all that this one has: on Linux.

    Not where the program has chosen another way, as Python does on macOS and Windows: a process then starts
    from nothing, or from a server that passes on at most 256 tensors, and a memory of images may have more.
    """
    chosen = multiprocessing.get_start_method(allow_none=True)
    return chosen == "fork" if chosen else sys.platform == "linux"


def heed_no_signal(_worker: int) -> None:
    """Let a worker live through what asks its run to stop, which SLURM and torchrun send to every process.

    The process that trains would be ended by a worker's death before it has saved; when it goes, so do they.
    """
    for name in ("SIGTERM", "SIGINT", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


@atexit.register
def end_workers() -> None:
    """End what heeds no signal before Python, which would send one, waits for it at the end of a program.

    Loaders do so themselves when nobody holds them any more; a traceback, a notebook or a script still does.
    """
    workers = [child for child in multiprocessing.active_children() if child.daemon]
    if workers and hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # PyTorch's handler would take it for an accident
    for worker in workers:
        worker.kill()


def first_epochs(
    loader, device: torch.device, num_epochs: int = 1, *, complete: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of epochs 0, 1, ... as training itself will see them, on `device`.

    Yields normalised float32 images (N, 3, H, W) and int64 labels (N, H, W). The loader's position is
    moved; the training loop sets its own. `complete`: also the images that fill no batch.
    """
    for epoch in range(num_epochs):
        loader.batch_sampler.seek(epoch, 0, complete=complete)
        for images, labels in loader:
            yield to_device(images, labels, device)
