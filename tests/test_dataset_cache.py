"""Decoded images kept in memory or on disk: the same as from their files, also in other processes."""

import errno
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from dataset import build_dataset
from dataset.cache import cached
from dataset.folder import Folder
from dataset.increment import increment_data
from tasks import make_step
from tests.conftest import ROOT
from utils.decoding.decode import BadFileError


@pytest.fixture
def data(small_data, tmp_path):
    """A step of a data set of files, which a test may change."""
    root = tmp_path / "data"
    subprocess.run(["cp", "-rp", str(small_data.parent), str(root)], check=True)
    return step_of(root / "small.yaml", tmp_path / "cache")


def step_of(file, cache_dir, index=1):
    dataset = build_dataset(str(file), "")
    return increment_data(dataset, make_step(dataset, "4-1").at(index), crop_size=32, cache_dir=cache_dir)


def again(data):
    """What the next run makes of the same data."""
    return step_of(data.dataset.description, data.cache_dir, data.step.index)


def assert_same(items, want):
    for item, other in zip(items, want, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(item, other, strict=True))


def items_of(images):
    return [images[epoch, k] for epoch in range(2) for k in range(len(images))]


def files_of(data):
    return list(Path(data.cache_dir).glob("decoded_*/*"))


def packs_of(data):
    return [path for path in files_of(data) if path.suffix == ".pack"]


@pytest.fixture
def unread(monkeypatch):
    """From when it is called, no image may be read from its file."""
    return lambda: monkeypatch.setattr(Folder, "read", lambda *_: pytest.fail("read again"))


@pytest.mark.parametrize("place", ["none", "ram", "disk"])
def test_kept_images_are_those_of_the_files(data, place):
    images, kept = data.train, cached(data, place).train
    assert kept.ids == images.ids
    assert_same(items_of(kept), items_of(images))


@pytest.mark.parametrize("place", ["ram", "disk"])
def test_kept_images_are_not_read_again(data, place, unread):
    kept = cached(data, place)
    unread()
    kept.train[0, 0][0].zero_()
    assert kept.train[0, 0][0].any()  # an item is the reader's own


@pytest.mark.parametrize("place", ["ram", "disk"])
def test_images_that_are_not_kept_are_read_from_their_files(data, place):
    kept = cached(data, place)
    assert_same([kept.test[0]], [data.test[0]])
    assert kept.dataset.class_names == data.dataset.class_names


@pytest.mark.parametrize("place", ["ram", "disk"])
def test_kept_images_survive_the_way_to_another_process(data, place):
    kept = cached(data, place).train
    kept[0, 0]  # a map of this process stays behind
    assert_same(items_of(pickle.loads(pickle.dumps(kept))), items_of(data.train))


@pytest.mark.slow
def test_kept_images_reach_processes_that_are_spawned(data):
    kept = cached(data, "disk").train
    keys = [[(0, k)] for k in range(2)]
    loader = DataLoader(kept, batch_sampler=keys, num_workers=1, multiprocessing_context="spawn")
    assert_same([(images[0], labels[0]) for images, labels in loader], [data.train[0, k] for k in range(2)])


def test_what_is_on_disk_serves_later_runs_and_steps(data, unread):
    cached(data, "disk")
    first = packs_of(data)
    before = step_of(data.dataset.description, data.cache_dir, 0)
    cached(before, "disk")
    added = sum(path.stat().st_size for path in packs_of(data) if path not in first)
    new = [sample for sample in before.samples("train") if sample not in set(data.samples("train"))]
    assert added < 4 * 36 * 36 * len(new) + 100 * len(new) + 100  # nothing twice
    unread()
    assert len(items_of(cached(again(data), "disk").train)) == 2 * len(data.train)


def test_runs_that_begin_together_decode_an_image_once(data, monkeypatch):
    read, seen = Folder.read, []
    monkeypatch.setattr(Folder, "read", lambda self, sample: seen.append(sample.id) or read(self, sample))
    data.presence("train")
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda run: cached(run, "disk"), [again(data), again(data)])
    assert sorted(seen) == sorted(data.train.ids)
    assert_same(items_of(first.train), items_of(second.train))


def test_a_changed_file_is_decoded_anew(data):
    cached(data, "disk")
    one, other = data.samples("train")[:2]
    other.image.write_bytes(one.image.read_bytes())
    changed = cached(again(data), "disk").dataset
    assert torch.equal(changed.read(other)[0], changed.read(one)[0])


@pytest.mark.parametrize("left", [0, 10, 1000])
def test_a_cut_off_pack_is_made_anew(data, left, caplog):
    cached(data, "disk")
    (pack,) = packs_of(data)
    os.truncate(pack, left)
    kept = cached(again(data), "disk")
    assert len(caplog.records) == 1 and "damaged, and made anew" in caplog.text
    assert_same(items_of(kept.train), items_of(data.train))


def test_changed_bytes_are_named_before_they_are_used(data):
    cached(data, "disk")
    (pack,) = packs_of(data)
    with pack.open("r+b") as file:
        file.write(b"\x00\xff\x00\xff")
    with pytest.raises(BadFileError, match=r"\.pack is damaged .*: delete it, and it is made anew"):
        items_of(cached(again(data), "disk").train)


def test_a_full_disk_leaves_nothing_and_one_line(data, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    data.presence("train")  # its scan is kept, too
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ValueError, match="No space left.*: make room, give another --cache_dir"):
            cached(data, "disk")
    assert [path.name for path in files_of(data)] == [".lock"]
    assert_same(items_of(cached(data, "disk").train), items_of(data.train))


KILLED = """
import os, sys, time
from dataset.cache import cached
from dataset.folder import Folder
from tests.test_dataset_cache import step_of
def slow(self, sample):
    os.write(1, b"reading\\n")  # in one piece: several threads read
    time.sleep(100)
Folder.read = slow
cached(step_of(*sys.argv[1:]), "disk")
"""


@pytest.mark.slow
def test_a_killed_process_neither_blocks_nor_leaves_anything(data):
    data.presence("train")
    argv = [sys.executable, "-c", KILLED, str(data.dataset.description), data.cache_dir]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(argv, cwd=ROOT, **pipes) as process:
        said, begun = process.stdout.readline(), files_of(data)
        process.send_signal(signal.SIGKILL)
    assert said == b"reading\n"
    assert any(path.suffix == ".tmp" for path in begun)
    assert_same(items_of(cached(data, "disk").train), items_of(data.train))
    assert not any(path.suffix == ".tmp" for path in files_of(data))


@pytest.mark.slow
def test_a_run_ends_with_the_same_weights_wherever_images_are_kept(cli, tmp_path):
    weights = []
    for place in ("none", "ram", "disk"):
        assert cli("--step", "0", "--cache", place, "--name", place, "--no_share")[0] == 0
        (file,) = tmp_path.glob(f"checkpoints/*/FT_tiny_{place}/step_0.pt")
        weights.append(torch.load(file)["net"])
    for other in weights[1:]:
        assert all(torch.equal(other[name], tensor) for name, tensor in weights[0].items())
