"""Workers of loaders: processes where these are forked, else threads, which give the same batches."""

import multiprocessing
import multiprocessing.context
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

import argparser
from dataset.folder import Folder
from dataset.images import CroppedImages, TrainImages
from dataset.loader import forks, make_loader
from dataset.thread_loader import AHEAD, ThreadLoader, threads
from tests.conftest import ROOT

TABLE = np.arange(256, dtype=np.uint8)


@pytest.fixture
def spawning(monkeypatch):
    """As on macOS and Windows; a process that is started fails the test."""
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda **_: "spawn")
    started = lambda *_: pytest.fail("starts a process")  # noqa: E731
    monkeypatch.setattr(multiprocessing.context.SpawnProcess, "_Popen", started)
    monkeypatch.setattr(multiprocessing.context.ForkProcess, "_Popen", started, raising=False)


def training(data):
    return TrainImages(data, data.samples("train"), TABLE, size=16, seed=3)


def batches_of(loader, epoch=0, batch=0):
    loader.batch_sampler.seek(epoch, batch)
    return list(loader)


def assert_same(got, want):
    assert len(got) == len(want) > 0
    for one, other in zip(got, want, strict=True):
        assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))


def test_threads_give_the_batches_of_no_workers_in_every_epoch_and_from_the_middle(small_data, spawning):
    images = training(Folder("", small_data))
    alone = make_loader(images, 2, train=True, seed=5)
    helped = make_loader(images, 2, train=True, seed=5, num_workers=2)
    assert isinstance(helped, ThreadLoader) and len(helped) == len(alone)
    for epoch, batch in ((0, 0), (1, 0), (1, 2)):
        assert_same(batches_of(helped, epoch, batch), batches_of(alone, epoch, batch))
    assert helped.batch_sampler.batch_size == 2 and helped.dataset is images and helped.num_workers == 2


def test_threads_test_every_image_in_its_order(small_data, spawning):
    data = Folder("", small_data)
    images = CroppedImages(data, data.samples("val"), TABLE, size=16)
    helped, alone = (make_loader(images, 4, train=False, num_workers=count) for count in (2, 0))
    assert_same(list(helped), list(alone))


def test_a_pass_that_ends_early_reads_little_more_and_the_next_one_is_whole(small_data, spawning):
    seen, images = [], training(Folder("", small_data))

    class Watched(TrainImages):
        def __getitem__(self, key):
            seen.append(key)
            return super().__getitem__(key)

    images.__class__ = Watched
    loader = make_loader(images, 1, train=True, num_workers=2)
    want = batches_of(loader, 1)
    threads(2).submit(int).result()
    seen.clear()
    for _ in loader:
        break
    assert len(seen) <= AHEAD * 2 + 2
    assert_same(batches_of(loader, 1), want)


def test_loaders_share_their_threads_which_leave_the_cores_of_training_alone(small_data, spawning):
    cores, images = torch.get_num_threads(), training(Folder("", small_data))
    for _ in range(3):
        batches_of(make_loader(images, 2, train=True, num_workers=2))
    own = [thread for thread in threading.enumerate() if thread in threads(2)._threads]
    assert len(own) == 2 and torch.get_num_threads() == cores
    assert {threads(2).submit(torch.get_num_threads).result() for _ in range(8)} == {1}


def test_a_bad_image_is_named_in_one_line_by_a_thread(small_data, tmp_path, spawning):
    subprocess.run(["cp", "-rp", str(small_data.parent), str(tmp_path / "data")], check=True)
    images = training(Folder("", tmp_path / "data" / small_data.name))
    path = images.samples[1].image
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match=rf"{path.name} ") as caught:
        batches_of(make_loader(images, 2, train=True, num_workers=2))
    assert "\n" not in str(caught.value)


def test_a_run_with_threads_ends_with_the_weights_of_one_without_workers(cli, tmp_path, spawning):
    weights = []
    for workers in ("0", "2"):
        words = ["--step", "0", "--num_workers", workers, "--name", workers, "--no_share"]
        assert cli(*words)[0] == 0
        (file,) = tmp_path.glob(f"checkpoints/*/FT_tiny_{workers}/step_0.pt")
        weights.append(torch.load(file)["net"])
    assert all(torch.equal(weights[1][name], tensor) for name, tensor in weights[0].items())


def test_processes_are_forked_on_linux_unless_the_program_has_chosen_another_way(monkeypatch):
    for platform, chosen, want in (
        ("linux", None, True),  # from Python 3.14 on, Python itself would start a server
        ("linux", "fork", True),
        ("linux", "forkserver", False),
        ("linux", "spawn", False),
        ("darwin", None, False),
        ("win32", None, False),
    ):
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.setattr(multiprocessing, "get_start_method", lambda chosen=chosen, **_: chosen)
        assert forks() == want


@pytest.mark.slow
def test_what_reads_images_is_light():
    """What reads images needs no torchvision, and none of the methods and reports."""
    script = "import sys, dataset.images, dataset.memory.replay, dataset.loader\n"
    script += "heavy = {'torchvision', 'timm', 'matplotlib', 'scipy', 'methods', 'config', 'train'}\n"
    script += "print(sorted(heavy & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[]\n", done.stderr


def test_no_more_workers_than_cores_that_the_process_may_use(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3}, raising=False)
    assert argparser.parse(["--num_workers", "4"]).num_workers == 1
