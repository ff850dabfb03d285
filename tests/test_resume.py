"""An interrupted run, started again by the same command, ends with the same bits."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch

import increments
import train
from config import build
from experiment import checkpoint
from experiment.autosave import Autosave
from experiment.events import read_events
from methods import nest, plop, reminder
from methods.base import Method
from metrics.cost import Clock
from tests.conftest import ROOT, SMALL, descendants, until


class Killed(BaseException):
    """Stands for kill -9 inside the test's own process: nothing may handle it."""


def bomb(calls: int, function):
    """`function`, which kills the process when it has been called `calls` times."""
    left = [calls]

    def wrapped(*args, **kwargs):
        result = function(*args, **kwargs)
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return result

    return wrapped


def kill_before_rename(monkeypatch, calls: int) -> None:
    real, left = os.replace, [calls]

    def replace(source, target):
        if str(target).endswith(".pt"):
            left[0] -= 1
            if left[0] == 0:
                raise Killed
        return real(source, target)

    monkeypatch.setattr(os, "replace", replace)


POINTS = {
    "inside an epoch": lambda patch: patch.setattr(train, "optimizer_step", bomb(8, train.optimizer_step)),
    "between two epochs": lambda patch: patch.setattr(
        train, "train_one_epoch", bomb(1, train.train_one_epoch)
    ),
    "during start_increment": lambda patch: patch.setattr(
        build, "method_at", bomb(1, build.method_at)
    ),
    "while an unfinished step is written": lambda patch: kill_before_rename(patch, 5),
    "while a finished step is written": lambda patch: patch.setattr(
        Method, "end_increment", bomb(1, Method.end_increment)
    ),
    "between two steps": lambda patch: patch.setattr(
        increments, "test_step", bomb(1, increments.test_step)
    ),
}
FLAGS = ["--step", "0", "1", "--epochs", "2", "--ckpt_interval", "0", "--batch_size", "6"]


def outcome(root, method: str) -> tuple[dict, list]:
    folder = f"small_4-1_overlap/{method.replace('*', '_STAR')}_tiny"
    results = [json.loads((root / "results" / folder / f"step_{k}.json").read_text()) for k in (0, 1)]
    net = checkpoint.load(root / "checkpoints" / folder / "step_1.pt")["net"]
    return net, [(result["confusion"], result["scores"]) for result in results]


def assert_same(one, two) -> None:
    assert one[0].keys() == two[0].keys()
    for key, value in one[0].items():
        assert torch.equal(value, two[0][key]), key
    assert one[1] == two[1]


def compare(cli, tmp_path, monkeypatch, method: str, point: str, *argv: str) -> None:
    argv = ["--method", method, *FLAGS, *argv]
    assert cli(*argv, "--checkpoint", "whole/checkpoints", "--results_dir", "whole/results")[0] == 0
    with monkeypatch.context() as patch:
        POINTS[point](patch)
        with pytest.raises(Killed):
            cli(*argv)
    status, out, err = cli(*argv)
    assert status == 0, err
    assert_same(outcome(tmp_path, method), outcome(tmp_path / "whole", method))
    assert not list(tmp_path.rglob("*.last.pt"))


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_fine_tuning_killed_anywhere_ends_with_the_same_bits(cli, tmp_path, monkeypatch, point):
    compare(cli, tmp_path, monkeypatch, "FT", point)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["PLOP+NeST", "REMINDER", "RCIL", "EIR", "EWC", "PI", "RW", "DFT*"])
def test_each_kind_of_method_killed_in_step_1_ends_with_the_same_bits(cli, tmp_path, monkeypatch, method):
    argv = ["--method", method, *FLAGS, "--batch_size", "4"]
    for root in ("whole/", ""):
        assert (
            cli(
                *argv, "--step", "0", "--checkpoint", f"{root}checkpoints", "--results_dir", f"{root}results"
            )[0]
            == 0
        )
    assert cli(*argv, "--checkpoint", "whole/checkpoints", "--results_dir", "whole/results")[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr(train, "optimizer_step", bomb(2, train.optimizer_step))
        with pytest.raises(Killed):
            cli(*argv)
    for module in (plop, nest, reminder):  # what the images have taught a method is not learnt twice
        monkeypatch.setattr(module, "first_epochs", bomb(1, module.first_epochs))
    status, _, err = cli(*argv)
    assert status == 0, err
    assert_same(outcome(tmp_path, method), outcome(tmp_path / "whole", method))


def test_what_an_interrupted_run_has_logged_is_in_its_file(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "optimizer_step", bomb(2, train.optimizer_step))
    with pytest.raises(Killed):
        cli("--step", "0", "--print_interval", "1")
    (file,) = tmp_path.glob("logs/*/*/step_0/events.out.tfevents.*")
    assert "loss/ce" in {name for name, *_ in read_events(file.parent)}


@pytest.mark.slow
def test_worker_processes_change_nothing(cli, tmp_path, monkeypatch):
    compare(cli, tmp_path, monkeypatch, "FT", "inside an epoch", "--num_workers", "2")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_saves_before_it_ends_the_run(cli, tmp_path, monkeypatch, number):
    argv = ["--method", "FT", *FLAGS, "--ckpt_interval", "1000"]
    assert cli(*argv, "--checkpoint", "whole/checkpoints", "--results_dir", "whole/results")[0] == 0
    with monkeypatch.context() as patch:
        real, left = train.optimizer_step, [4]

        def step(*args):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), number)
            return real(*args)

        patch.setattr(train, "optimizer_step", step)
        status, out, _ = cli(*argv)
    assert status == 143 and "the same command continues there" in out
    saved = checkpoint.load(next(tmp_path.glob("checkpoints/*/*/step_0.last.pt")))
    assert saved["progress"]["batch"] == 4  # nothing that was computed is lost
    status, out, _ = cli(*argv)
    assert status == 0 and "call 2 of this step" in out and "s of training over 2 calls" in out
    cost = json.loads(next(tmp_path.glob("results/*/*/step_0.json")).read_text())["cost"]
    assert cost["calls"] == 2 and cost["seconds"] > saved["spent"]["seconds"]
    assert cost["images_per_second"] == pytest.approx(cost["images_trained"] / cost["seconds"])
    assert_same(outcome(tmp_path, "FT"), outcome(tmp_path / "whole", "FT"))


def test_ctrl_c_is_answered_at_once_though_the_batch_must_end(tmp_path, capfd):
    with Autosave(tmp_path / "x.pt", None, {}, minutes=9, scopes=None, clock=Clock()):
        os.kill(os.getpid(), signal.SIGINT)
        assert "SIGINT: stopping after this batch" in capfd.readouterr().err


def test_ctrl_c_while_nothing_trains_ends_the_run_in_one_line(cli, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(increments, "test_step", interrupted)
    status, _, err = cli("--step", "0")
    assert status == 130 and err == "run.py: interrupted; what was finished is kept\n"


@pytest.mark.slow
def test_kill_9_of_real_processes_loses_nothing(small_data, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += [str(ROOT / "run.py"), "--dataset", str(small_data), "--task", "4-1", *SMALL]
    command += ["--method", "FT", *FLAGS]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    (tmp_path / "whole").mkdir()
    subprocess.run(command, cwd=tmp_path / "whole", env=environment, check=True, timeout=200, **quiet)

    process = subprocess.Popen(command, cwd=tmp_path, env=environment, **quiet)
    saved = "checkpoints/*/*/step_0*.pt"  # of the unfinished step; of the finished one, if this is late
    assert until(lambda: list(tmp_path.glob(saved)) or process.poll() is not None)
    for pid in [process.pid, *descendants(process.pid)]:
        os.kill(pid, signal.SIGKILL)
    process.wait()
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    assert_same(outcome(tmp_path, "FT"), outcome(tmp_path / "whole", "FT"))


def test_unfinished_step_with_other_values_is_not_continued(cli, tmp_path, monkeypatch):
    argv = ["--method", "FT", *FLAGS, "--step", "0"]
    with monkeypatch.context() as patch:
        patch.setattr(train, "optimizer_step", bomb(3, train.optimizer_step))
        with pytest.raises(Killed):
            cli(*argv)
    status, _, err = cli(*argv, "--weight_decay", "0.1")
    assert status == 2 and "weight_decay 0.0001 there, 0.1 here" in err
    assert cli(*argv, "--weight_decay", "0.1", "--overwrite")[0] == 0
