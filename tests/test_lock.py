"""Two runs never write into one folder."""

import json
import os
import socket
import subprocess
import sys

import pytest

from experiment.lock import RunLock


def test_a_second_run_in_the_same_folder_is_refused(tmp_path):
    with RunLock(tmp_path):
        script = f"from experiment.lock import RunLock\nwith RunLock({str(tmp_path)!r}): print('entered')"
        second = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert second.returncode != 0 and "entered" not in second.stdout
    assert f"process {os.getpid()}" in second.stderr and "--name" in second.stderr
    assert not (tmp_path / ".lock").exists()


def test_the_lock_of_a_process_that_died_is_stale(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / ".lock").write_text(
        json.dumps({"host": socket.gethostname(), "pid": gone.pid, "since": "then"})
    )
    with RunLock(tmp_path):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("content", ['{"host": "elsewhere", "pid": 1, "since": "now"}', "", "not json"])
def test_a_lock_that_cannot_be_judged_is_respected(tmp_path, content):
    (tmp_path / ".lock").write_text(content)
    with pytest.raises(ValueError, match="remove"), RunLock(tmp_path):
        pass
    assert (tmp_path / ".lock").read_text() == content


def test_a_run_refuses_a_folder_in_use_and_leaves_it_alone(cli, tmp_path):
    folder = tmp_path / "checkpoints/small_4-1_overlap/FT_tiny"
    with RunLock(folder):
        lock = (folder / ".lock").read_text()
        (folder / ".lock").write_text(lock.replace(str(os.getpid()), "1"))  # as if another process held it
        status, _, err = cli("--method", "FT", "--step", "0")
        assert status == 2 and "another run" in err
        assert list(folder.iterdir()) == [folder / ".lock"]
