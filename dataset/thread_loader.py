"""Loader whose workers are threads, where processes are not forked (macOS, Windows).

There a worker process costs 3 s of CPU before its first image, the import of PyTorch, and each step would
start some for training and some for its test. Decoding, resizing and copying let go of Python's lock, so that
threads do the same work at once; an eighth of an image's time (500 x 375 to 512 x 512) is Python, in turns.
"""

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler, default_collate

AHEAD = 2  # batches per thread that are read before they are asked for, as with worker processes


class ThreadLoader:
    """Batches of `dataset` in the order of `batch_sampler`, read by threads.

    All loaders of a process share them.

    Args:
        dataset: whose items several threads may read at a time.
        batch_sampler: gives the keys of each batch.
        num_workers: threads.
    """

    def __init__(self, dataset: Dataset, batch_sampler: Sampler, num_workers: int):
        self.dataset, self.batch_sampler, self.num_workers = dataset, batch_sampler, num_workers

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        pool, waiting = threads(self.num_workers), deque()
        try:
            for keys in self.batch_sampler:
                waiting.append(pool.submit(self.read, keys))
                if len(waiting) > AHEAD * self.num_workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:  # of a pass that ends early
                future.cancel()

    def read(self, keys: list) -> tuple[Tensor, ...]:
        """The batch of these keys, in memory that a GPU copies from by itself, if there is one."""
        batch = default_collate([self.dataset[key] for key in keys])
        return tuple(part.pin_memory() for part in batch) if torch.cuda.is_available() else tuple(batch)


@cache
def threads(number: int) -> ThreadPoolExecutor:
    """So many threads, which use one core each and stay until the process ends."""
    device = torch.cuda.current_device() if torch.cuda.is_available() else None
    cores, ready = torch.get_num_threads(), threading.Barrier(number)

    def begin(_: int) -> None:
        torch.set_num_threads(1)
        if device is not None:
            torch.cuda.set_device(device)
        ready.wait()  # each thread takes one call

    pool = ThreadPoolExecutor(number, thread_name_prefix="loader")
    list(pool.map(begin, range(number)))
    torch.set_num_threads(cores)  # some of it (MKL's) holds for all threads
    return pool
