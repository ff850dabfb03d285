"""Work on every image of a split by several threads, in the order of the images, and how far it is."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tqdm import tqdm

from dataset.samples import Sample

THREADS = 8  # decoding leaves Python's lock, and more than the cores helps where files come over a network
AT_ONCE = 32  # images that a thread takes: handing one over costs as much as decoding a small mask
QUICK = 2.5e-4  # CPU seconds per image: less is mostly Python, which several threads only slow down
PATIENT = 1e-3  # seconds per image that one thread may wait: for its core, if others work on it, or for files
AHEAD = 4 * THREADS  # portions that may wait for whoever takes the results
INTERVAL = 60.0  # seconds between two lines where there is no terminal for a bar
T = TypeVar("T")


def in_threads(work: Callable[[Sample], T], samples: Sequence[Sample], what: str) -> list[T]:
    """Results of `work` on each of `samples`; the first exception stops all."""
    return list(each_in_threads(work, samples, what))


def each_in_threads(work: Callable[[Sample], T], samples: Sequence[Sample], what: str) -> Iterator[T]:
    """The same one after another, so that they need not all be in memory."""

    def portion(start: int) -> list[T]:
        return [work(sample) for sample in samples[start : start + AT_ONCE]]

    starts, waiting = iter(range(0, len(samples), AT_ONCE)), deque()
    with ThreadPoolExecutor(THREADS) as pool, Progress(len(samples), what) as progress:
        try:
            for start in starts:  # this thread alone, as long as there is little to do and to wait for
                began = time.perf_counter(), time.thread_time()
                results = portion(start)
                waited, worked = time.perf_counter() - began[0], time.thread_time() - began[1]
                yield from progress.past(results)
                if worked > QUICK * AT_ONCE or waited > PATIENT * AT_ONCE:
                    break
            for start in starts:
                waiting.append(pool.submit(portion, start))
                if len(waiting) > AHEAD:
                    yield from progress.past(waiting.popleft().result())
            while waiting:
                yield from progress.past(waiting.popleft().result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


class Progress:
    """A bar on a terminal, else a line a minute; short work says nothing.

    Args:
        total: images. what: is done to them.
    """

    def __init__(self, total: int, what: str):
        self.total, self.what, self.done = total, what, 0
        self.bar = tqdm(total=total, desc=what, unit="image", disable=None)
        self.began = self.spoke = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def past(self, results: list[T]) -> list[T]:
        """`results`, which are counted as done."""
        self.done += len(results)
        self.bar.update(len(results))
        now = time.monotonic()
        if self.bar.disable and now - self.spoke > INTERVAL:
            self.spoke, left = now, (now - self.began) / self.done * (self.total - self.done)
            line = f"{self.what}: {self.done:,} of {self.total:,} images, {left / 60:.0f} min left"
            print(line, file=sys.stderr, flush=True)
        return results
