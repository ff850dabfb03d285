"""MLflow. Its own environment variables say where to: MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME, ..."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from utils.distributed import say

PENDING, SECONDS = 500, 10.0  # numbers, and time, after which they are sent: a server answers each request
MOST_PARAMS = 100  # of a request
STATUS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}


class Run:
    """A run of MLflow. A server that fails in the middle ends the tracking, not the training."""

    def __init__(self, client: MlflowClient, id: str):
        self.client, self.id = client, id
        self.pending: list[Metric] = []
        self.sent, self.lost = time.monotonic(), False

    def scalar(self, name: str, value: float, at: int) -> None:
        self.pending.append(Metric(allowed(name), value, int(time.time() * 1000), at))
        if len(self.pending) >= PENDING or time.monotonic() - self.sent > SECONDS:
            self.send()

    def send(self) -> None:
        """What is pending, in one request."""
        metrics, self.pending, self.sent = self.pending, [], time.monotonic()
        if metrics:
            self.call(self.client.log_batch, self.id, metrics=metrics)

    def picture(self, name: str, image: np.ndarray, at: int) -> None:
        self.call(self.client.log_image, self.id, image, artifact_file=f"{allowed(name)}_{at}.png")

    def files(self, folder: Path) -> None:
        self.call(self.client.log_artifacts, self.id, str(folder), "results")

    def close(self, *, status: str) -> None:
        self.send()
        self.call(self.client.set_terminated, self.id, STATUS[status])

    def call(self, function, *arguments, **options) -> None:
        """Ask the server, unless it has failed before."""
        try:
            if not self.lost:
                function(*arguments, **options)
        except (MlflowException, OSError) as error:
            self.lost = True
            say(f"warning: mlflow failed, so nothing more of this call is tracked: {first_line(error)}")


def allowed(name: str) -> str:
    """`name` in the letters that MLflow takes; own classes may have others."""
    return "".join(letter if letter.isalnum() or letter in "_-. /" else "_" for letter in name)


def first_line(error: Exception) -> str:
    """The first line of an error."""
    return f"{error}".strip().partition("\n")[0]


def connect(setting: str, run: str, id: str, values: Mapping, folder: Path) -> Run:
    """The run of this `id`, or a new one, in the experiment of the setting.

    Raises:
        ValueError: if the store does not open it.
    """
    try:
        client = MlflowClient()
        if id:
            client.update_run(id, status="RUNNING")
            return Run(client, id)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", setting)
        experiment = client.get_experiment_by_name(name)
        place = experiment.experiment_id if experiment else client.create_experiment(name)
        made = client.create_run(place, run_name=run)
        params = [Param(key, str(value)) for key, value in values.items()]
        for start in range(0, len(params), MOST_PARAMS):
            client.log_batch(made.info.run_id, params=params[start : start + MOST_PARAMS])
    except (MlflowException, OSError) as error:
        raise ValueError(f"--track mlflow: {first_line(error)}") from error
    return Run(client, made.info.run_id)
