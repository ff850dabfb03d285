"""Two runs never write into one folder, and a run that is gone holds none."""

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from experiment import checkpoint
from experiment.lock import RunLock
from tests.conftest import ROOT


def holding(folder: Path, then: str) -> subprocess.Popen:
    """Another process that works in `folder`, says so, and does `then`."""
    script = f"import time\nfrom experiment.lock import RunLock\nwith RunLock({str(folder)!r}):\n"
    script += f"    print('entered', flush=True)\n    {then}"
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT)


@pytest.mark.slow
def test_a_second_run_in_the_same_folder_is_refused_and_told_who_works_there(tmp_path):
    with holding(tmp_path, "time.sleep(60)") as first:
        assert first.stdout.readline() == "entered\n"
        message = rf"process {first.pid} on .* since .*--name"
        with pytest.raises(ValueError, match=message), RunLock(tmp_path):
            pass
        first.kill()
    with RunLock(tmp_path):  # killed, it holds nothing, though its files are still there
        assert json.loads((tmp_path / ".lock.json").read_text())["pid"] == os.getpid()
    assert not (tmp_path / ".lock.json").exists()


def test_the_folder_is_free_again_when_a_run_ends(tmp_path):
    for _ in range(2):
        with RunLock(tmp_path), pytest.raises(ValueError, match="another run"), RunLock(tmp_path):
            pass


@pytest.mark.parametrize("content", ['{"host": "elsewhere", "pid": 1, "since": "now"}', "", "not json"])
def test_files_that_nobody_holds_block_nobody(tmp_path, content):
    (tmp_path / ".lock").write_text(content)  # also the lock file of the format before
    (tmp_path / ".lock.json").write_text(content)
    with RunLock(tmp_path), pytest.raises(ValueError, match=f"process {os.getpid()}"), RunLock(tmp_path):
        pass


def test_a_holder_that_has_not_said_who_it_is_is_respected(tmp_path):
    with RunLock(tmp_path):
        (tmp_path / ".lock.json").write_text("{")
        with pytest.raises(ValueError, match="another run works in"), RunLock(tmp_path):
            pass


def test_a_run_refuses_a_folder_in_use_and_leaves_it_alone(cli, tmp_path):
    folder = tmp_path / "checkpoints/small_4-1_overlap/FT_tiny"
    with RunLock(folder):
        status, _, err = cli("--method", "FT", "--step", "0")
        assert status == 2 and "another run" in err
        assert sorted(folder.iterdir()) == [folder / ".lock", folder / ".lock.json"]


@pytest.mark.slow
def test_loader_processes_of_a_killed_run_do_not_hold_its_folder(small_data, tmp_path):
    from tests.conftest import SMALL

    words = ["--dataset", str(small_data), "--task", "4-1", *SMALL, "--epochs", "500", "--step", "0"]
    command = [sys.executable, str(ROOT / "run.py"), *words, "--num_workers", "2"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        while "ready after" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        with RunLock(tmp_path / "checkpoints/small_4-1_overlap/FT_tiny"):
            pass


def test_a_checkpoint_is_written_where_folders_cannot_be_opened(tmp_path, monkeypatch):
    """As on Windows, where `os.open` of a folder is a PermissionError."""
    real = os.open

    def on_windows(path, *rest, **options):
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *rest, **options)

    monkeypatch.setattr(os, "open", on_windows)
    checkpoint.save({"a": 1}, tmp_path / "a.pt")
    assert checkpoint.load(tmp_path / "a.pt")["a"] == 1


@pytest.mark.slow
def test_nothing_is_imported_at_the_start_that_windows_lacks_and_no_process_is_sent_a_signal():
    lacking = {"fcntl", "pwd", "grp", "resource", "termios", "posix"}
    for path in ROOT.rglob("*.py"):
        if {"tests", ".venv"} & set(path.relative_to(ROOT).parts):
            continue
        module = ast.parse(path.read_text(encoding="utf-8"))
        signals = any(ast.unparse(node) == "os.kill" for node in ast.walk(module))
        assert not signals or path == ROOT / "experiment/leftovers.py", path  # which asks POSIX systems alone
        for node in module.body:  # what a function imports, it may do without
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not lacking & {name.split(".")[0] for name in names}, path
