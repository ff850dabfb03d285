"""Weights & Biases. Its own environment variables say where to: WANDB_MODE=offline, WANDB_PROJECT, ..."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import wandb

from experiment.track import new_id


class Run:
    """A run of W&B; curves have axes of their own, for its one counter never goes back."""

    def __init__(self, run):
        self.run, self.id = run, run.id
        self.axes: set[str] = set()

    def scalar(self, name: str, value: float, at: int) -> None:
        self.log(name, value, at)

    def picture(self, name: str, image: np.ndarray, at: int) -> None:
        self.log(name, wandb.Image(image), at)

    def log(self, name: str, value: object, at: int) -> None:
        """One value, whose place is that of the axis beside it."""
        axis = f"{name}/at"
        if axis not in self.axes:
            self.axes.add(axis)
            self.run.define_metric(axis, hidden=True)
            self.run.define_metric(name, step_metric=axis)
        self.run.log({name: value, axis: at})

    def files(self, folder: Path) -> None:
        results = wandb.Artifact(f"results-{self.id}", type="results")
        results.add_dir(str(folder))
        self.run.log_artifact(results)

    def close(self, *, status: str) -> None:
        self.run.finish(exit_code={"finished": 0, "stopped": 143}.get(status, 1))


def connect(setting: str, run: str, id: str, values: Mapping, folder: Path) -> Run:
    """The run of this `id`, or a new one, in the project of the setting; offline files lie in `folder`.

    Raises:
        ValueError: if W&B does not open it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        opened = wandb.init(project=os.environ.get("WANDB_PROJECT", setting), name=run, id=id or new_id(),
                            resume="allow", dir=str(folder), settings=wandb.Settings(quiet=True))  # fmt: skip
    except wandb.errors.Error as error:
        raise ValueError(f"--track wandb: {error}; WANDB_MODE=offline keeps it on this machine") from error
    opened.config.update(dict(values), allow_val_change=True)
    return Run(opened)
