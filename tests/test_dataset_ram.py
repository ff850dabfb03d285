"""Images kept in memory: the same as from their files, also in other processes."""

import pickle

import pytest
import torch

from dataset.increment import increment_data
from dataset.ram import InMemory, in_memory
from dataset.shapes import Shapes
from tasks import make_step


@pytest.fixture
def data(tmp_path):
    dataset = Shapes(tmp_path, num_train=24, num_val=4)
    return increment_data(dataset, make_step(dataset, "4-1").at(1), crop_size=32, cache_dir=tmp_path)


def assert_same(items, want):
    for item, other in zip(items, want, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(item, other, strict=True))


def test_kept_images_are_those_of_the_files(data):
    images, memory = data.train, in_memory(data).train
    assert memory.ids == images.ids
    keys = [(epoch, k) for epoch in range(2) for k in range(len(images))]
    assert_same([memory[key] for key in keys], [images[key] for key in keys])


def test_kept_images_are_not_read_again(data, monkeypatch):
    memory = in_memory(data)
    monkeypatch.setattr(Shapes, "read", lambda *_: pytest.fail("read again"))
    first = memory.train[0, 0][0]
    first.zero_()
    assert memory.train[0, 0][0].any()  # an item is the reader's own


def test_images_that_are_not_kept_are_read_from_their_files(data):
    memory = in_memory(data)
    assert_same([memory.test[0]], [data.test[0]])
    assert memory.dataset.class_names == data.dataset.class_names


def test_kept_images_reach_processes_that_are_spawned(data):
    memory = InMemory(data.dataset, data.samples("train"))
    again = pickle.loads(pickle.dumps(memory))
    sample = data.samples("train")[0]
    assert_same([again.read(sample)], [memory.read(sample)])
