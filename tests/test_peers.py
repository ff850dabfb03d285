"""Last words of the processes that lose another one."""

import os
import signal
import time

import pytest
import torch.distributed as dist

from experiment import checkpoint, peers
from experiment.files import RunFiles
from utils import distributed
from utils.commands import PeerLost

BROKEN = RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:9")


@pytest.fixture
def first_of_three(monkeypatch):
    """This process is rank 0 of three; the messages of all of them."""
    store = dist.HashStore()
    for name, value in {"is_distributed": True, "rank": 0, "world_size": 3}.items():
        monkeypatch.setattr(distributed, name, lambda value=value: value)
    monkeypatch.setattr(distributed, "store", store)
    monkeypatch.setattr(peers, "WAIT", 0.2)
    before = signal.getsignal(signal.SIGTERM)
    yield store
    signal.signal(signal.SIGTERM, before)


def lose(error=BROKEN):
    with pytest.raises(PeerLost) as lost, peers.last_words(lambda: "step_1.last.pt"):
        raise error
    return str(lost.value)


def test_a_rank_that_says_nothing_is_named_with_what_is_saved(first_of_three):
    first_of_three.set("end/2", peers.SURVIVED)
    line = lose()
    assert line.startswith("rank 1 of 3 is silent: killed, out of memory, or stuck (Connection closed by")
    assert line.endswith("Saved: step_1.last.pt")
    assert "rank 2" not in line


def test_a_rank_that_failed_is_named_with_its_own_reason(first_of_three):
    first_of_three.set("end/1", peers.SURVIVED)
    first_of_three.set("end/2", f"{peers.FAILED}OSError: disk full")
    assert lose().startswith("rank 2 of 3 failed: OSError: disk full. Saved")


def test_of_several_survivors_the_first_speaks(first_of_three, monkeypatch):
    first_of_three.set("end/0", peers.SURVIVED)
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    assert lose() == ""


def test_an_error_of_its_own_is_reported_to_the_others_and_raised_as_it_is(first_of_three):
    with pytest.raises(ValueError, match="bad"), peers.last_words(lambda: ""):
        raise ValueError("bad\nimage")
    assert first_of_three.get("end/0") == b"failed: ValueError: bad image"


def test_a_single_process_raises_what_it_raises():
    with pytest.raises(RuntimeError, match="gloo"), peers.last_words(lambda: ""):
        raise BROKEN


def stopped(seconds):
    """SIGTERM comes while the main thread waits for `seconds`, as a handler takes note of it."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    with peers.last_words(lambda: "nothing yet"):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(seconds)


def test_a_process_that_is_stuck_after_sigterm_says_so_from_a_thread(first_of_three, monkeypatch, capfd):
    monkeypatch.setattr(peers, "PATIENCE", 0.05)
    first_of_three.set("end/2", peers.SURVIVED)
    stopped(0.6)
    said = capfd.readouterr().err
    assert said.startswith("rank 1 of 3 is silent") and "no answer since SIGTERM" in said


def test_a_process_that_stops_in_time_says_nothing(first_of_three, monkeypatch, capfd):
    stopped(0.0)
    monkeypatch.setattr(peers, "PATIENCE", 0.05)
    for rank in (1, 2):  # late, but all of them live
        first_of_three.set(f"end/{rank}", peers.SURVIVED)
    stopped(0.6)
    assert capfd.readouterr().err == ""


def test_what_is_saved_is_the_unfinished_step_else_the_last_finished_one(tmp_path):
    files = RunFiles(tmp_path, tmp_path, tmp_path, setting="s", run="r")
    assert peers.what_is_saved(files) == "nothing yet; the same command begins again"
    for step in (0, 1):
        checkpoint.save({"step": step}, files.checkpoint(step))
    assert peers.what_is_saved(files) == f"{files.checkpoint(1)}; the same command continues there"
    checkpoint.save({"progress": {"epoch": 3, "batch": 7}}, files.unfinished(2))
    assert peers.what_is_saved(files).startswith(f"{files.unfinished(2)}, epoch 3, batch 7; the same command")
