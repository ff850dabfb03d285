import pickle
import random
import subprocess
import sys
import tracemalloc

import pytest
import torch

from dataset import loader as loader_module
from dataset.increment import increment_data
from dataset.loader import Batches, make_loader
from dataset.voc import VOC
from tasks import Step
from tests.conftest import ROOT
from tests.dataset_trees import write_image, write_mask, write_voc
from utils.decoding.decode import BadFileError

STEP = Step("voc", "1-1", 0, ((0, 1), (2,)))


@pytest.fixture
def data(tmp_path):
    train = {f"t{number}": [0, 1, number % 3] for number in range(7)}
    val = {f"v{number}": [1] for number in range(5)}
    voc = VOC(write_voc(tmp_path / "VOC2012", train, val))
    return increment_data(voc, STEP, crop_size=8, cache_dir=tmp_path / "cache")


def keys(num_images=20, batch_size=3, epoch=0, batch=0, **options):
    batches = Batches(num_images, batch_size, **{"train": True, **options})
    batches.seek(epoch, batch)
    return list(batches)


def test_epoch_visits_every_image_at_most_once_and_drops_the_rest():
    epoch = sum(keys(), [])
    assert len(epoch) == 18 and len(set(epoch)) == 18
    assert {number for number, _ in epoch} == {0}


def test_order_depends_on_seed_and_epoch_only():
    random.seed(1)
    torch.manual_seed(1)
    first = keys(seed=1)
    random.seed(2)
    torch.manual_seed(2)
    assert keys(seed=1) == first
    assert keys(seed=2) != first
    assert [index for _, index in sum(keys(seed=1, epoch=1), [])] != [index for _, index in sum(first, [])]


def test_the_order_of_an_epoch_is_that_of_a_shuffled_list_at_a_fraction_of_its_memory():
    tracemalloc.start()
    found = keys(5000, 50, epoch=2, seed=7)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    batches = iter(Batches(5000, 50, train=True, seed=7))
    next(batches)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    expected = list(range(5000))
    random.Random("7/2").shuffle(expected)
    assert [index for batch in found for _, index in batch] == expected
    assert peak - held < 20 * 5000  # a list and its numbers: 44 bytes each, and 8 for the share of a process


def test_interrupted_epoch_continues_with_the_batches_it_had_left():
    batches = Batches(20, 3, train=True)
    batches.seek(4, 2)
    assert list(batches) == keys(epoch=4)[2:] and len(batches) == 6


@pytest.mark.parametrize("world", [2, 3])
def test_processes_together_train_on_the_batches_of_one(world):
    parts = [keys(batch_size=2, rank=rank, world=world) for rank in range(world)]
    whole = keys(batch_size=2 * world)
    assert {len(part) for part in parts} == {len(whole)}
    for number, batch in enumerate(whole):
        assert sorted(sum((part[number] for part in parts), [])) == sorted(batch)


@pytest.mark.parametrize("num_images", [0, 1, 4, 5, 9])
@pytest.mark.parametrize("world", [1, 2, 4])
def test_evaluation_deals_out_every_image_exactly_once(num_images, world):
    parts = [Batches(num_images, 2, train=False, rank=rank, world=world) for rank in range(world)]
    seen = sum((batch for part in parts for batch in part), [])
    assert sorted(seen) == list(range(num_images))
    assert all(len(list(part)) == len(part) for part in parts)


@pytest.mark.parametrize("num_images", [0, 1, 6, 7, 9])
@pytest.mark.parametrize("world", [2, 3, 8])
def test_evaluation_sees_the_same_batches_whatever_the_number_of_processes(num_images, world):
    parts = [Batches(num_images, 2, train=False, rank=rank, world=world) for rank in range(world)]
    dealt = [list(part) for part in parts]
    alone = list(Batches(num_images, 2, train=False))
    assert [dealt[number % world][number // world] for number in range(len(alone))] == alone
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


def test_too_few_images_for_a_batch_is_one_clear_error(data, monkeypatch):
    with pytest.raises(ValueError, match="7 training images, too few for .* 8 .* --batch_size 7 or less"):
        make_loader(data.train, 8, train=True)
    monkeypatch.setattr(loader_module, "world_size", lambda: 2)
    with pytest.raises(ValueError, match="batch of 4 on each of 2 processes; give --batch_size 3 or less"):
        make_loader(data.train, 4, train=True)
    empty = data.train
    empty.samples = []
    with pytest.raises(ValueError, match="0 training images.*another task or setting"):
        make_loader(empty, 1, train=True)


def test_augmentation_depends_on_seed_epoch_and_image_only(data):
    image = data.train[0, 3]
    random.seed(99)
    data.train[1, 2]
    assert all(torch.equal(*pair) for pair in zip(image, data.train[0, 3], strict=True))
    assert not torch.equal(image[0], data.train[1, 3][0])
    other = increment_data(data.dataset, STEP, crop_size=8, cache_dir=data.cache_dir, seed=1)
    assert not torch.equal(image[0], other.train[0, 3][0])


def test_augmentation_follows_the_image_and_not_its_position(data):
    moved = data.train
    moved.samples = moved.samples[::-1]
    assert torch.equal(moved[0, 0][0], data.train[0, 6][0])


def batches_of(loader, epoch=0, batch=0):
    loader.batch_sampler.seek(epoch, batch)
    return [(images.clone(), labels.clone()) for images, labels in loader]


def test_workers_change_nothing_and_resuming_continues_bit_for_bit(data):
    alone = make_loader(data.train, 2, train=True, seed=5)
    helped = make_loader(data.train, 2, train=True, seed=5, num_workers=2)
    for epoch, batch in ((0, 0), (1, 0), (1, 2)):
        want, got = batches_of(alone, epoch, batch), batches_of(helped, epoch, batch)
        assert len(want) == len(got) == 3 - batch
        for mine, theirs in zip(want, got, strict=True):
            assert torch.equal(mine[0], theirs[0]) and torch.equal(mine[1], theirs[1])
    assert torch.equal(batches_of(alone, 1)[2][0], want[0][0])
    images, labels = want[0]
    assert images.shape == (2, 3, 8, 8) and labels.shape == (2, 8, 8)
    assert images.dtype == labels.dtype == torch.uint8


def test_loading_leaves_the_global_generator_alone(data):
    torch.manual_seed(3)
    state = torch.get_rng_state()
    batches_of(make_loader(data.train, 2, train=True, seed=5))
    assert torch.equal(torch.get_rng_state(), state)


def test_images_of_different_sizes_are_evaluated_one_by_one(tmp_path):
    voc = write_voc(tmp_path, {"a": [1]}, {"u": [1], "v": [1]})
    write_image(voc / "JPEGImages/v.jpg", (9, 5))
    write_mask(voc / "SegmentationClass/v.png", [1], (9, 5))
    data = increment_data(VOC(voc), STEP, evaluation="full", cache_dir=tmp_path / "cache")
    loader = make_loader(data.test, 8, train=False)
    assert [tuple(images.shape) for images, _ in loader] == [(1, 3, 16, 20), (1, 3, 5, 9)]
    cropped = increment_data(VOC(voc), STEP, crop_size=8, cache_dir=tmp_path / "cache")
    assert [len(images) for images, _ in make_loader(cropped.test, 8, train=False)] == [2]


def test_datasets_survive_pickling(data):
    for images in (data.train, data.val, data.test):
        again = pickle.loads(pickle.dumps(images))
        assert again.ids == images.ids
    again = pickle.loads(pickle.dumps(data.train))
    assert torch.equal(again[2, 1][0], data.train[2, 1][0])


@pytest.mark.parametrize("num_workers", [0, 1])
def test_bad_image_is_named_in_one_line_even_by_a_worker(data, num_workers):
    path = data.dataset.root / "JPEGImages/t2.jpg"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BadFileError, match=r"^\S*t2\.jpg cannot be read") as caught:
        batches_of(make_loader(data.train, 7, train=True, num_workers=num_workers))
    assert "\n" not in str(caught.value)


HOLDING = """
import sys
from torch.utils.data import TensorDataset
import torch
from dataset.loader import make_loader
images = TensorDataset(torch.zeros(8, 1), torch.zeros(8))
images.same_size = True
loader = make_loader(images, 2, train=False, num_workers=1)
batches = iter(loader)
next(batches)
print("done")
"""


@pytest.mark.slow
def test_a_program_ends_that_holds_a_loader_with_workers_at_its_end():
    done = subprocess.run(
        [sys.executable, "-c", HOLDING], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
