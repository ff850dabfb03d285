"""Signals as SLURM, torchrun and terminals send them: the step is saved, and no process is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiment import checkpoint
from experiment.stop_request import ECHO, StopRequest
from tests.conftest import ROOT, SMALL, descendants, until

LAUNCHER = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def alive(pids: list[int]) -> list[int]:
    """Those that still run; one that is only waited for does not."""
    states = {pid: Path(f"/proc/{pid}/stat") for pid in pids}
    return [pid for pid, file in states.items() if file.exists() and ") Z " not in file.read_text()]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes where Linux lists them")
@pytest.mark.parametrize(
    ("number", "everyone"),
    [
        (signal.SIGTERM, True),  # scancel, time limit, preemption, where SLURM tells all processes of the job
        (signal.SIGUSR1, False),  # sbatch --signal=USR1@60; torchrun knows it not, and is killed
    ],
)
def test_two_processes_and_their_workers_save_and_leave(small_data, tmp_path, number, everyone):
    words = ["--dataset", str(small_data), "--task", "4-1", *SMALL, "--step", "0", "--epochs", "2000"]
    words += ["--num_workers", "1", "--ckpt_interval", "1000"]
    command = [sys.executable, *LAUNCHER, str(ROOT / "run.py"), *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with open(tmp_path / "said.txt", "w") as said:
        agent = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=said, stderr=said)
    assert until(lambda: "epoch 1/2000" in (tmp_path / "said.txt").read_text())
    assert until(lambda: len(descendants(agent.pid)) == 4)  # two that train, and a worker of each
    processes = [agent.pid, *descendants(agent.pid)]
    for pid in processes if everyone else [agent.pid]:
        os.kill(pid, number)
    try:
        assert agent.wait(60) != 0
        assert until(lambda: not alive(processes))
    finally:
        for pid in alive(processes):
            os.kill(pid, signal.SIGKILL)
    text = (tmp_path / "said.txt").read_text()
    assert text.count("the same command continues there") == 2, text
    progress = checkpoint.load(next(tmp_path.glob("checkpoints/*/*/step_0.last.pt")))["progress"]
    assert (progress["epoch"], progress["batch"]) > (0, 0)


def test_the_same_wish_on_two_ways_does_not_keep_the_run_from_saving():
    with StopRequest() as stop:
        assert not stop.made
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            os.kill(os.getpid(), number)
        assert stop.made


def test_a_second_interrupt_after_a_while_does_not_wait_for_the_save(monkeypatch):
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        later = time.monotonic() + 2 * ECHO
        monkeypatch.setattr(time, "monotonic", lambda: later)
        os.kill(os.getpid(), signal.SIGTERM)  # who does not sit at the keyboard waits
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert stop.made
