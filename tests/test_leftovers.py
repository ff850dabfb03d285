"""What killed writers leave is removed, and nothing of the living."""

import os
import socket
import subprocess
import sys

import pytest

from experiment.leftovers import remove_leftovers
from tests.conftest import ROOT
from utils.files import replacing, temporary_for, writer_of

KILLED = """
import os, sys
from utils.files import replacing
with replacing(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def killed(tmp_path):
    """A temporary file whose writer was killed."""
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "step_0.pt")], cwd=ROOT)
    (left,) = tmp_path.glob(".*.tmp")
    return left


def test_a_temporary_file_says_whose_it_is(tmp_path):
    assert writer_of(temporary_for(tmp_path / "step-0.pt")) == (socket.gethostname(), os.getpid())
    assert writer_of(tmp_path / ".step_0.pt.0123456789abcdef.tmp") == ("", 0)


@pytest.mark.parametrize("alone", [True, False])
def test_what_a_killed_writer_left_is_removed_and_finished_files_stay(killed, tmp_path, alone):
    (tmp_path / "step_1.pt").write_text("done")
    assert remove_leftovers(tmp_path, alone=alone) == [killed]
    assert [path.name for path in tmp_path.iterdir()] == ["step_1.pt"]


@pytest.mark.parametrize("alone", [True, False])
def test_a_living_writer_keeps_its_file(tmp_path, alone):
    name = temporary_for(tmp_path / "step_0.pt").name.replace(f"-{os.getpid()}-", f"-{os.getppid()}-")
    (tmp_path / name).write_text("half")
    assert remove_leftovers(tmp_path, alone=alone) == []
    assert (tmp_path / name).is_file()


@pytest.mark.parametrize("name", [".step_0.pt.elsewhere-12-ab.tmp", ".step_0.pt.0123.tmp"])
def test_a_writer_that_cannot_be_seen_is_believed_gone_only_where_nobody_else_may_write(tmp_path, name):
    (tmp_path / name).write_text("half")
    assert remove_leftovers(tmp_path) == []
    assert remove_leftovers(tmp_path, alone=True) == [tmp_path / name]


def test_a_file_that_is_being_written_is_not_there_before_it_is_whole(tmp_path):
    with replacing(tmp_path / "a.txt") as file:
        file.write(b"whole")
        assert not (tmp_path / "a.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_the_next_run_removes_what_killed_ones_left(cli, tmp_path):
    places = [
        tmp_path / "checkpoints/small_4-1_overlap/FT_tiny",
        tmp_path / "checkpoints/shared_step0",
        tmp_path / "results/small_4-1_overlap/FT_tiny",
    ]
    for place in places:
        place.mkdir(parents=True)
        subprocess.run([sys.executable, "-c", KILLED, str(place / "step_0.pt")], cwd=ROOT)
    assert all(list(place.glob(".*.tmp")) for place in places)
    status, _, err = cli("--step", "0")
    assert status == 0, err
    assert not list(tmp_path.rglob("*.tmp"))
