"""`--track`: what trackers are told, under which id; stand-ins record the calls, and the packages too."""

import json
import sys
from collections import Counter
from types import ModuleType, SimpleNamespace

import pytest

from experiment.track import TRACKERS

STEP_0 = ["--method", "FT", "--step", "0"]


class Recorder:
    """Notes every call by name; what is asked for as an attribute is a method that does so."""

    def __init__(self, calls: list):
        self.calls = calls
        self.id = "given"
        self.config = SimpleNamespace(update=lambda values, **_: calls.append(("config", (values,), {})))

    def __getattr__(self, name: str):
        def call(*arguments, **options):
            self.calls.append((name, arguments, options))
            run = SimpleNamespace(info=SimpleNamespace(run_id="given"), experiment_id="7")
            return None if name == "get_experiment_by_name" else "7" if name == "create_experiment" else run

        return call


@pytest.fixture
def calls(monkeypatch) -> list:
    """Calls of wandb and mlflow, in whose place modules stand that record them."""
    found: list = []

    def wandb_init(**options):
        found.append(("init", (), options))
        return Recorder(found)

    class Artifact:
        def __init__(self, name, type):
            self.name = name

        def add_dir(self, folder):
            found.append(("add_dir", (folder,), {}))

    settings = lambda **options: options  # noqa: E731
    parts = {
        "wandb": {"init": wandb_init, "Image": lambda image: image.shape, "Artifact": Artifact,
                  "Settings": settings, "errors": SimpleNamespace(Error=RuntimeError)},
        "mlflow": {"MlflowClient": lambda: Recorder(found)},
        "mlflow.entities": {"Metric": lambda *values: values, "Param": lambda *values: values},
        "mlflow.exceptions": {"MlflowException": RuntimeError},
    }  # fmt: skip
    for name, content in parts.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    for name in TRACKERS.values():
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield found
    for name in TRACKERS.values():
        sys.modules.pop(name, None)


def test_trackers_are_told_everything_under_one_id_that_the_next_call_continues(cli, calls, tmp_path):
    status, out, err = cli(*STEP_0, "--track", "wandb", "mlflow")
    assert status == 0, err
    assert "tracked by wandb: run given" in out and "tracked by mlflow: run given" in out
    count = Counter(name for name, *_ in calls)
    assert count["init"] == count["create_run"] == 1 and count["add_dir"] == count["log_artifacts"] == 1
    (config,) = [arguments[0] for name, arguments, _ in calls if name == "config"]
    assert config["method"] == "FT" and config["lr"] == "0.01 0.001"
    batches = [options for name, _, options in calls if name == "log_batch"]
    assert ("batch_size", "4") in batches[0]["params"]
    curves = {metric[0]: metric[3] for batch in batches[1:] for metric in batch["metrics"]}
    assert curves["step_0/loss/ce"] == 7 and curves["test/miou_all"] == 0
    logged = {name for call, arguments, _ in calls if call == "log" for name in arguments[0]}
    assert {"step_0/loss/ce", "step_0/lr", "test/miou_all", "test_iou/disc", "test/samples"} <= logged
    assert [options["artifact_file"] for name, _, options in calls if name == "log_image"] == [
        "test/confusion_0.png", "test/samples_0.png",
    ]  # fmt: skip
    assert ("set_terminated", ("given", "FINISHED"), {}) in calls
    assert ("finish", (), {"exit_code": 0}) in calls

    calls.clear()
    assert cli(*STEP_0, "--test", "--track", "mlflow", "wandb")[0] == 0
    assert ("update_run", ("given",), {"status": "RUNNING"}) in calls
    assert not [name for name, *_ in calls if name == "create_run"]
    assert [options["id"] for name, _, options in calls if name == "init"] == ["given"]
    assert ids(tmp_path) == {"wandb": "given", "mlflow": "given"}


def ids(folder) -> dict:
    """What the run remembers of its trackers."""
    return json.loads(next(folder.rglob("tracked.json")).read_text())


@pytest.mark.parametrize("name", TRACKERS)
def test_a_missing_package_is_one_line_before_anything_is_trained(cli, monkeypatch, tmp_path, name):
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, TRACKERS[name], raising=False)
    status, _, err = cli(*STEP_0, "--track", name)
    assert status == 2 and err.endswith(f"--track {name} needs its package: python -m pip install {name}\n")
    assert not list(tmp_path.rglob("step_0*"))


def test_a_run_that_is_not_tracked_imports_no_tracker(cli):
    assert cli("--explain")[0] == 0
    assert not set(TRACKERS.values()) & sys.modules.keys()


def test_a_tracker_that_fails_in_the_middle_does_not_end_the_run(cli, calls, monkeypatch):
    def fail(*_, **__):
        raise OSError("no route\nto it")

    monkeypatch.setattr(Recorder, "log_image", fail, raising=False)
    status, out, err = cli(*STEP_0, "--track", "mlflow")
    assert status == 0 and "mlflow failed, so nothing more of this call is tracked: no route" in out
    assert "log_artifacts" not in {name for name, *_ in calls}


@pytest.mark.slow
def test_mlflow_itself_keeps_one_run_of_two_calls(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path / 'store'}")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow = pytest.importorskip("mlflow")
    for step in ("0", "1"):
        status, _, err = cli("--method", "FT", "--step", step, "--track", "mlflow")
        assert status == 0, err
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("small_4-1_overlap")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED" and run.data.params["method"] == "FT"
    assert [metric.step for metric in client.get_metric_history(run.info.run_id, "test/miou_all")] == [0, 1]
    assert len(client.get_metric_history(run.info.run_id, "step_0/loss/ce")) == 8
    assert {file.path for file in client.list_artifacts(run.info.run_id, "results")} >= {
        "results/results.csv", "results/step_1.json",
    }  # fmt: skip
    assert len(client.list_artifacts(run.info.run_id, "test")) == 4


@pytest.mark.slow
def test_wandb_itself_keeps_two_calls_under_one_id_offline(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    pytest.importorskip("wandb")
    for step in ("0", "1"):
        status, _, err = cli("--method", "FT", "--step", step, "--track", "wandb")
        assert status == 0, err
    found = [file.stem for file in (tmp_path / "logs/wandb").glob("offline-run-*/run-*.wandb")]
    assert len(found) == 2 and len(set(found)) == 1
    assert found[0] == f"run-{ids(tmp_path)['wandb']}"
