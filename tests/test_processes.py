"""A process that fails ends the whole run, soon, with its cause, and leaves nothing behind."""

import json
import os
import re
import subprocess
import sys

import pytest
import torch.utils.data

import dataset.images
from tests.conftest import ROOT, SMALL, until
from tests.test_distributed import launched

pytestmark = pytest.mark.slow


def start(small_data, tmp_path, fault: str, count: int, *words: str) -> subprocess.CompletedProcess:
    """`fault` on the last of `count` processes, in its third iteration."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
    command = [sys.executable, *launcher, str(ROOT / "tests/faulty.py"), fault, str(count - 1), "--"]
    command += ["--dataset", str(small_data), "--task", "4-1", *SMALL, "--step", "0", *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=180, env=environment)


def children_named(marker: str) -> list[str]:
    """Command lines of running processes that contain `marker`."""
    listing = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True).stdout
    return [line for line in listing.splitlines() if marker in line and "ps -eo" not in line]


@pytest.mark.parametrize(
    ("fault", "cause"),
    [("raise", "the disk of this process caught fire"), ("die", "SIGKILL"), ("hang", "imed out")],
)
def test_a_rank_that_fails_ends_all_and_its_cause_is_printed(small_data, tmp_path, fault, cause):
    done = start(small_data, tmp_path, fault, 2, "--timeout", "10")
    assert done.returncode != 0
    assert cause in done.stderr, done.stderr[-3000:]
    words = "Saved: nothing yet; the same command begins again"
    said = [line for line in done.stderr.splitlines() if words in line]
    assert len(said) == 1 and said[0].startswith("run.py: rank 1 of 2 "), done.stderr[-3000:]
    assert not list(tmp_path.rglob("step_0.pt"))
    assert not children_named(str(tmp_path)) and not children_named(str(small_data))


def test_a_loss_that_is_not_finite_on_one_rank_ends_all_in_one_line_and_its_batch_is_kept(
    small_data, tmp_path, cli
):
    done = start(small_data, tmp_path, "nan", 2)
    said = [line for line in done.stderr.splitlines() if line.startswith("run.py: error:")]
    assert done.returncode != 0 and len(said) == 2 and said[0] == said[1]  # each process says it
    assert "loss 'ce' is nan in epoch 0, batch 2 of process 1" in said[0]
    assert "run.py: failed" not in done.stderr and "onnection" not in done.stderr  # none lost the other
    assert [file.name for file in tmp_path.rglob("*.pt")] == ["step_0.failed_rank1.pt"]
    file = next(tmp_path.rglob("*.pt"))
    assert str(file.relative_to(tmp_path)) in said[0]
    status, out, _ = cli("--method", "FT", "--replay_batch", file)
    assert status == 0 and "batch 2 of process 1" in out and "weights that are not finite: none" in out


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What two processes say of nan on the second alone: a dict of each."""
    folder = tmp_path_factory.mktemp("seen")
    launched("tests.nonfinite_processes", 2, folder)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("matrix", "answers to 1 of 0 test images are not finite"),
        ("training", "loss 'extra' is nan in epoch 0, batch 1 of process 1"),
        ("testing", "answers to 4 of 8 test images are not finite"),
        ("pretuning", "NeST's pre-tuning diverged"),
    ],
)
def test_nan_on_the_second_of_two_processes_is_seen_on_both(seen, where, words):
    assert words in seen[0][where] == seen[1][where]


def test_what_every_process_has_arrives_with_its_nan(seen):
    assert str(seen[0]["gathered"]) == str(seen[1]["gathered"]) == "[[1.0, 2.0], [1.0, nan]]"


def test_nothing_but_sums_is_asked_of_what_may_be_nan():
    """The maximum over gloo of 1 and nan is 1 if the second process has the nan (torch 2.14)."""
    found = [
        (file.name, line.strip())
        for room in ("dataset", "experiment", "methods", "metrics", "models", "modules", "utils", ".")
        for file in (ROOT / room).glob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if re.search(r"ReduceOp\.(?!SUM)", line)
    ]
    assert found == [("autosave.py", "dist.all_reduce(wishes, op=dist.ReduceOp.MAX)")]  # of integers


def test_a_worker_that_dies_ends_the_run_with_its_cause_last(cli, monkeypatch, tmp_path):
    real = dataset.images.TrainImages.__getitem__

    def die(self, key):
        if torch.utils.data.get_worker_info() is not None and key[1] % 5 == 0:
            os.kill(os.getpid(), 9)
        return real(self, key)

    monkeypatch.setattr(dataset.images.TrainImages, "__getitem__", die)
    status, _, err = cli("--step", "0", "--num_workers", "1")
    assert status == 1
    assert "DataLoader worker" in err.splitlines()[-1]
    assert not list(tmp_path.rglob("step_0.pt"))


def test_loader_processes_end_with_a_killed_run(small_data, tmp_path):
    command = [sys.executable, str(ROOT / "run.py"), "--dataset", str(small_data), "--task", "4-1", *SMALL]
    command += ["--num_workers", "2", "--epochs", "500", "--step", "0", "--name", "killed_with_workers"]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=tmp_path, **silent) as process:
        begun = until(lambda: len(children_named("killed_with_workers")) >= 3)
        process.kill()
    assert begun
    assert until(lambda: not children_named("killed_with_workers"))
