"""The system's wish that a run ends: a signal, or the end of the program that started this process."""

import os
import signal
import threading
import time

from utils.commands import say_stopping
from utils.distributed import is_main

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGUSR1") if hasattr(signal, name))
ECHO = 2.0  # seconds in which a second signal is the same wish on another way
LAUNCHER = os.getppid() if "TORCHELASTIC_RUN_ID" in os.environ else 0  # torchrun, if it started us


class StopRequest:
    """Takes note of signals as long as its `with` block lasts, and lets nothing else happen.

    A wish may come on several ways at once: SLURM and terminals tell every process, and torchrun tells its
    own again. Who interrupts from the keyboard a second time after a while does not want to wait.
    """

    def __init__(self):
        self.received, self._at, self.process = 0, 0.0, os.getpid()

    def __enter__(self) -> "StopRequest":
        # Python hands signals to its main thread alone; a run in another one is not interrupted by them.
        heard = SIGNALS if threading.current_thread() is threading.main_thread() else ()
        self._handlers = {number: signal.signal(number, self._notice) for number in heard}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _notice(self, number: int, _frame) -> None:
        now = time.monotonic()
        if self.received and number == signal.SIGINT and now - self._at > ECHO:
            raise KeyboardInterrupt
        if not self.received:
            self.received, self._at = number, now
            if is_main() and os.getpid() == self.process:  # workers of loaders inherit the handler
                say_stopping(number)

    @property
    def made(self) -> bool:
        """Whether the run is to end. Without its launcher, which SIGUSR1 kills, nothing would ever end it."""
        return self.received > 0 or bool(LAUNCHER) and os.getppid() != LAUNCHER
