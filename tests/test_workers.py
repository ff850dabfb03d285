"""Loader processes that are not forked: they import what they unpickle, and give the same batches."""

import multiprocessing
import subprocess
import sys

import pytest

import argparser
from tests.conftest import ROOT
from utils import workers

PROGRAM = """
import multiprocessing, sys
with open("imported", "a") as file:
    file.write(f"{multiprocessing.current_process().name}\\n")

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[2])
    from dataset.folder import Folder
    from dataset.images import CroppedImages
    from dataset.loader import make_loader
    from utils import workers
    import numpy as np
    workers.WORTH_A_START = 1
    data = Folder("", sys.argv[1])
    images = CroppedImages(data, data.samples("val"), np.arange(256, dtype=np.uint8), size=16)

    def sums(count):  # a function, so that the loader ends its workers before the program ends
        loader = make_loader(images, 4, train=False, num_workers=count)
        assert loader.num_workers == count
        return [(int(x.sum()), int(y.sum())) for x, y in loader]

    assert sums(0) == sums(2) and len(sums(0)) == 3
    assert sys.modules["__main__"].__file__.endswith("main.py")
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_do_not_import_the_program_and_give_the_same_batches(small_data, tmp_path, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"{method} is not for this system")
    (tmp_path / "main.py").write_text(PROGRAM)
    command = [sys.executable, "main.py", str(small_data), method]
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": ""}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "imported").read_text().splitlines() == ["MainProcess"]


def test_workers_are_started_where_they_have_enough_to_do(monkeypatch):
    for method, images, want in (("spawn", 12, 0), ("spawn", 130, 2), ("spawn", 10_000, 4), ("fork", 12, 4)):
        monkeypatch.setattr(multiprocessing, "get_start_method", lambda method=method: method)
        assert workers.worth_starting(4, images) == want


def test_what_a_worker_unpickles_is_light():
    """Two seconds of each worker's start were torchvision, and more the methods and reports."""
    script = "import sys, dataset.images, dataset.memory.replay, utils.workers\n"
    script += "heavy = {'torchvision', 'timm', 'matplotlib', 'scipy', 'methods', 'config', 'train'}\n"
    script += "print(sorted(heavy & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[]\n", done.stderr


def test_no_more_workers_than_cores_that_the_process_may_use(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3}, raising=False)
    assert argparser.parse(["--num_workers", "4"]).num_workers == 1
