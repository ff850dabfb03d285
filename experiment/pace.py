"""Where the training of a step stands, how fast it is, and how long it takes yet."""

import time

from utils.distributed import world_size


class Pace:
    """Counts batches and images of one step in this call.

    Args:
        ahead: batches of the steps that this call trains after this one, for the time that is left.
    """

    def __init__(self, ahead: int = 0):
        self.ahead, self.total, self.at = ahead, 0, 0  # batches of the step, and how many of them are done
        self.done, self.began = 0, time.perf_counter()  # batches of this call
        self.images, self.epoch_began = 0, self.began  # of this epoch, in this call

    def epoch(self, total: int, at: int) -> None:
        """An epoch begins (or goes on) with `at` of `total` batches of the step done."""
        now = time.perf_counter()
        if not self.total:
            self.began = now
        self.total, self.at, self.images, self.epoch_began = total, at, 0, now

    def advance(self, images: int) -> None:
        """A batch of `images` images is done on this process."""
        self.images, self.at, self.done = self.images + images, self.at + 1, self.done + 1

    @property
    def images_per_second(self) -> float:
        """Rate of the current epoch over all processes."""
        return self.images * world_size() / max(time.perf_counter() - self.epoch_began, 1e-9)

    def left(self) -> tuple[float, float]:
        """Seconds of training left in the step and in the call, at the mean pace of this call so far."""
        pace = (time.perf_counter() - self.began) / max(self.done, 1)
        return pace * max(self.total - self.at, 0), pace * (max(self.total - self.at, 0) + self.ahead)


def duration(seconds: float) -> str:
    """Seconds in words that are short: "8 s", "3 min 20 s", "2 h 05 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
