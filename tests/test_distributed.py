"""Several processes give what one gives."""

import json
import os
import subprocess
import sys

import pytest
import torch

from methods import METHODS
from tests.conftest import ROOT

pytestmark = pytest.mark.slow


# What a process computes from its share alone: random compositions, and contrasts between the images of a
# batch.
PER_PROCESS = {"EIR", "EIR-softmax", "REPLAY", "UCD"}


def launched(module: str, count: int, *words) -> None:
    """Run `module` in `count` processes, from the root of the project."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
    command = [*launcher, "-m", module, *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """`trained(method, world, rank)`: what `tests.two_processes` leaves of a method."""
    folder = tmp_path_factory.mktemp("weights")
    for count in (1, 2):
        launched("tests.two_processes", count, folder, *METHODS)
    return lambda name, world, rank: torch.load(folder / f"{name.replace('*', '_STAR')}_{world}_{rank}.pt")


@pytest.mark.parametrize("name", METHODS)
def test_ranks_hold_equal_weights_after_an_epoch(trained, name):
    first, second = trained(name, 2, 0)["net"], trained(name, 2, 1)["net"]
    assert first.keys() == second.keys()
    for key in first:
        assert torch.equal(first[key], second[key]), key


@pytest.mark.parametrize("name", [name for name in METHODS if name not in PER_PROCESS])
def test_two_processes_train_like_one_with_their_joint_batch(trained, name):
    """Norms are synchronised, gradients averaged, statistics of the data summed: only rounding differs."""
    one, two = trained(name, 1, 0)["net"], trained(name, 2, 0)["net"]
    for key in one:
        torch.testing.assert_close(
            two[key], one[key], rtol=1e-7, atol=1e-8, msg=lambda m, key=key: f"{key}: {m}"
        )


@pytest.mark.parametrize("name", METHODS)
def test_gradients_of_what_is_trained_are_sent_and_no_others(trained, name):
    found = trained(name, 2, 0)
    assert found["sent"] == (0 if found["solves"] else found["trainable"])
    assert found["trainable"] > 0
    if name == "DFT*":  # of the step's classes and of later ones
        rows = [tensor.numel() for key, tensor in found["net"].items() if key.startswith(("cls.1", "cls.2"))]
        assert found["sent"] == sum(rows)


@pytest.mark.parametrize("name", ["PLOP"])
def test_compiled_processes_give_the_losses_of_plain_ones_and_compile_once(name, tmp_path):
    launched("tests.compiled_processes", 2, tmp_path, name)
    for rank in range(2):
        found = json.loads((tmp_path / f"{name}_{rank}.json").read_text())
        assert found["breaks"] == 0
        assert 1 < found["graphs"][0] == found["graphs"][-1]
        assert len(found["compiled"]) == len(found["plain"]) == 6
        for compiled, plain in zip(found["compiled"], found["plain"], strict=True):
            assert compiled == pytest.approx(plain, rel=1e-5)


def test_metrics_of_two_processes_equal_those_of_one_to_the_last_bit(cli, processes, tmp_path):
    """The same checkpoint, evaluated twice: no image is padded, dropped or counted twice."""
    cli("--method", "FT", "--step", "0")
    for evaluation in ("crop", "full"):
        words = ["--method", "FT", "--step", "0", "--test", "--eval", evaluation]
        done = processes(2, *words, "--results_dir", "two/results")
        assert done.returncode == 0, done.stderr[-2000:]
        assert cli(*words)[0] == 0
        one, two = (
            json.loads((root / "results/small_4-1_overlap/FT_tiny/step_0.json").read_text())
            for root in (tmp_path, tmp_path / "two")
        )
        assert one == two


def test_the_old_launcher_works(processes, tmp_path):
    done = processes(2, "--method", "FT", "--step", "0", launcher="torch.distributed.launch")
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "checkpoints/small_4-1_overlap/FT_tiny/step_0.pt").is_file()


def test_a_mistake_ends_all_processes_with_one_line(processes):
    done = processes(2, "--method", "FT", "--step", "1")
    assert done.returncode != 0
    assert "run.py: error: step 1 needs the checkpoint of step 0" in done.stderr
