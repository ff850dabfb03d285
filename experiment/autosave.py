"""Unfinished steps: saved now and then and on a signal, continued by the same command."""

import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from experiment import checkpoint
from experiment.identity import Scopes, check, differences, say_unchecked
from experiment.stop_request import StopRequest
from metrics.cost import Clock
from utils.commands import Interrupted
from utils.distributed import barrier, is_distributed, is_main, rank


def seed_everything(seed: int) -> None:
    """Same start for every random number generator on every process, as the published systems do at each
    step.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)  # CUDA's too


def rng_state() -> dict:
    """State of this process's generators, in plain types."""
    name, keys, position, has_gauss, gauss = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": [name, keys.tolist(), position, has_gauss, gauss],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def set_rng_state(state: dict) -> None:
    """Continue the generators where `rng_state` saw them."""
    version, keys, gauss = state["python"]
    random.setstate((version, tuple(keys), gauss))
    np.random.set_state(tuple(state["numpy"]))
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])




class Autosave:
    """Writes `path` every `minutes` and when a signal asks to stop; `fit` calls it after each optimizer step.

    Args:
        path: file for the unfinished step. method: the method being trained. about: what identifies the step
        (configuration and so on), stored beside the weights. minutes: time between two saves.
        scopes: of the configured values. clock: of the step; goes on in the call that continues.
        every: optimizer steps between two looks at clock and signals when several processes have to agree.
    """

    def __init__(self, path: Path, method, about: dict, *, minutes: float, scopes: Scopes,
                 clock: Clock | None = None, every: int = 10):
        self.path, self.method, self.about, self.scopes = path, method, about, scopes
        self.clock = clock or Clock()
        self.seconds, self.every = 60 * minutes, every if is_distributed() else 1
        self.saved, self.calls, self.stop = time.monotonic(), 0, StopRequest()
        self.found: dict = {}

    def __enter__(self) -> "Autosave":
        self.stop.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self.stop.__exit__(*error)

    def __call__(self, progress) -> None:
        """Save if it is time to; raise `Interrupted` if the system asked to stop."""
        self.calls += 1
        if self.calls % self.every:
            return
        stop, due = self._agree(self.stop.made, time.monotonic() - self.saved > self.seconds)
        if stop or due:
            self.save(progress)
        if stop:
            raise Interrupted(f"stopped in epoch {progress.epoch}, batch {progress.batch}")

    @staticmethod
    def _agree(stop: bool, due: bool) -> tuple[bool, bool]:
        """Whether any process wants to stop, or to save."""
        if not is_distributed():
            return stop, due
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        wishes = torch.tensor([stop, due], dtype=torch.int32, device=device)
        dist.all_reduce(wishes, op=dist.ReduceOp.MAX)
        stop, due = wishes.tolist()
        return bool(stop), bool(due)

    def save(self, progress) -> None:
        """Write network, method, optimizer, schedule and every process's generators."""
        states = [rng_state()]
        if is_distributed():
            states = [None] * dist.get_world_size()
            dist.all_gather_object(states, rng_state())
        if is_main():
            content = {
                "net": self.method.net.state_dict(),
                "method_state": self.method.state_dict(),
                "progress": progress.state_dict(),
                "rng": states,
                "spent": self.clock.state_dict(),
            }
            checkpoint.save(self.about | content, self.path)
        self.saved = time.monotonic()

    def open(self) -> None:
        """Find an unfinished step and hand the method its state, so that it need not prepare itself again.

        Called before `start_increment`; `restore`, after it, does so again.

        Raises:
            ValueError: if it was begun with other values than now.
        """
        if not self.path.is_file():
            return
        content = checkpoint.load(self.path)
        if "identity" in content:
            found = differences(content["identity"], self.about["identity"])
        else:
            say_unchecked(self.path, "images")
            found = differences(content["config"], self.about["config"], self.scopes.not_weights)
        processes = len(content["rng"]), self._processes()
        if processes[0] != processes[1]:  # each has generators of its own
            raise ValueError(
                f"{self.path} was begun by {processes[0]} processes, not {processes[1]}: start as many, or "
                f"begin the step again with --overwrite {self.about['step']}"
            )
        again = f"begin the step again with --overwrite {self.about['step']}"
        check(self.path, found, self.scopes, cure=f"Give the same values, {again}")
        self.method.load_state_dict(content["method_state"])
        self.clock.load_state_dict(content.get("spent", {}))
        self.found = content

    def restore(self, progress) -> bool:
        """Continue the unfinished step that `open` has found; False if there is none."""
        if not self.found:
            return False
        self.method.net.load_state_dict(self.found["net"])
        self.method.load_state_dict(self.found["method_state"])
        progress.load_state_dict(self.found["progress"])
        set_rng_state(self.found["rng"][rank()])
        self.found = {}
        return True

    @staticmethod
    def _processes() -> int:
        return dist.get_world_size() if is_distributed() else 1

    def discard(self) -> None:
        """The step is finished and saved: its unfinished state is not needed any more."""
        barrier()
        if is_main():
            self.path.unlink(missing_ok=True)
