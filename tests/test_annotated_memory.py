"""DKD-M and SSUL-M: which old images are kept, and what of them a step sees."""

import copy

import pytest
import torch
from PIL import Image

from dataset.increment import increment_data
from dataset.memory.replay import HalfBatches
from dataset.shapes import Shapes
from methods import METHODS
from methods.build import step0_as
from segmentation_module import Parts
from tasks import named_step
from utils.labels import IGNORE, SALIENT

PARTS = Parts(backbone="tiny", output_stride=8)
SIZE = 32
BOTH = pytest.mark.parametrize("name", ["DKD-M", "SSUL-M"])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Data of step 0 of a small generated task; `.of(index)` gives the others."""
    dataset = Shapes(size=40, num_train=60, num_val=2)
    step = named_step("shapes", 7, "2-2")
    return increment_data(dataset, step, crop_size=SIZE, cache_dir=tmp_path_factory.mktemp("cache"), seed=3)


def begun(name, data, index, *, teacher=None, before=None, **hyper):
    """A method at step `index`, ready to train, after what `before` left; old weights are random."""
    torch.manual_seed(0)
    step = data.step.at(index)
    method = METHODS[name](step, **{"mem_size": 6} | hyper)
    method.net = method.model = method.build_model(step, PARTS)
    if index > 0:
        method.teacher = method.build_model(step.at(index - 1), PARTS).eval().requires_grad_(False)
        method.load_previous(method.teacher.state_dict())
        method.load_state_dict(before or {})
        if teacher is not None:
            make_sure(method.teacher, teacher)
    method.set = method.train_set(data.of(index))
    if index > 0:
        method.start_increment(None)
    method.net.train()
    return method


def make_sure(net, channel):
    """Let the network answer `channel` in every pixel; None: no channel at all."""
    with torch.no_grad():
        for number, row in enumerate(row for head in net.cls for row in head.bias):
            row.fill_(20.0 if number == channel else -20.0)
        for head in net.cls:
            head.weight.zero_()


def batch(n=4):
    images = torch.randn(n, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    return images, torch.zeros(n, SIZE, SIZE, dtype=torch.int64)


@BOTH
def test_any_image_qualifies_and_the_choice_is_balanced(name, data):
    method = begun(name, data, 1)
    labels = sorted(record.label for record in method.memory.records)
    assert labels == [1, 1, 1, 2, 2, 2]
    assert all(record.label in record.classes for record in method.memory.records)
    assert all(record.size == (40, 40) and record.corner == (0, 0) for record in method.memory.records)
    assert step0_as(METHODS[name]) == name.removesuffix("-M")


@pytest.mark.slow
@BOTH
def test_from_step_2_on_old_classes_count_that_the_network_is_sure_to_see(name, data):
    class_1 = {"DKD-M": 1, "SSUL-M": 2}[name]  # its channel
    before = begun(name, data, 1, mem_size=0).state_dict()
    kept = {}
    for answer in (class_1, None):
        method = begun(name, data, 2, teacher=answer, before=copy.deepcopy(before), mem_size=8)
        kept[answer] = {record.label for record in method.memory.records}
        assert all((1 in record.classes) == (answer == class_1) for record in method.memory.records)
    assert kept == {class_1: {1, 3, 4}, None: {3, 4}}


@BOTH
def test_old_entries_are_candidates_again(name, data):
    before = begun(name, data, 1).state_dict()
    method = begun(name, data, 2, before=before)
    assert {record.step for record in method.memory.records} == {0, 1}
    assert len(method.memory.records) == 6


def test_dkd_m_shows_the_classes_of_the_step_alone(data):
    step_2 = begun("DKD-M", data, 2, before=begun("DKD-M", data, 1).state_dict(), mem_size=12)
    assert len(step_2.set) == len(data.of(2).train) + 12
    entries = range(len(step_2.set.images), len(step_2.set))
    seen = {label for index in entries for label in step_2.set[0, index][1].unique().tolist()}
    assert seen <= {0, 5, 6, IGNORE} and seen & {5, 6}  # annotation that step 1 did not see


def test_ssul_m_replaces_half_of_a_batch_by_images_with_all_classes_so_far(data):
    method = begun("SSUL-M", data, 2, before=begun("SSUL-M", data, 1).state_dict(), mem_size=12)
    assert len(method.set) == len(data.of(2).train)
    told = []
    method.model = lambda images: told.append(images) or method.net(images)
    method.loss_map = lambda logits, *others: told.append(others[-1]) or logits.sum(1)
    images, labels = batch()
    method.losses(images, labels)
    changed = [not torch.equal(a, b) for a, b in zip(told[0], images, strict=True)]
    assert sum(changed) == 2
    entries = method.entries()
    shown = {label for _, labels in entries for label in labels.unique().tolist()}
    assert {1, 2, 3, 4} <= shown and shown & {5, 6} and len(entries) == 12


def test_at_step_0_nothing_is_replaced(data):
    method = begun("SSUL-M", data, 0)
    seen = []
    method.model = lambda images: seen.append(images) or method.net(images)
    images, labels = batch()
    method.losses(images, labels)
    assert torch.equal(seen[0], images) and method.memory.records == []


def test_every_entry_comes_once_in_a_round_and_rounds_differ_in_order():
    pixels = [torch.full((3, 4, 4), label, dtype=torch.uint8) for label in (1, 2, 3)]
    entries = [(image, image[0]) for image in pixels]
    halves = HalfBatches(entries, device=torch.device("cpu"), seed="s")
    images, labels = torch.zeros(5, 3, 8, 8), torch.zeros(5, 8, 8, dtype=torch.int64)
    drawn = []
    for number in range(6):
        _, replaced = halves.replace(images, labels, number)
        assert (replaced.flatten(1).amax(1) > 0).sum() == 2
        drawn += [label for label in replaced.flatten(1).amax(1).tolist() if label]
    assert sorted(drawn[:6]) == sorted(drawn[6:]) == [1, 1, 2, 2, 3, 3]
    orders = {tuple(halves._index(turn) for turn in range(start, start + 3)) for start in range(0, 60, 3)}
    assert len(orders) > 1
    assert images.sum() == labels.sum() == 0  # the batch itself is left alone
    assert HalfBatches([], device=torch.device("cpu"), seed="s").replace(images, labels, 0)[0].equal(images)


def test_an_interrupted_step_replaces_what_it_would_have(data):
    images, labels = batch()
    first = begun("SSUL-M", data, 1)
    first.losses(images, labels)
    state = copy.deepcopy(first.state_dict())
    want = first.losses(images, labels)["bce"]
    again = begun("SSUL-M", data, 1)
    again.load_state_dict(state)
    assert torch.equal(again.losses(images, labels)["bce"], want)
    after = begun("SSUL-M", data, 2, before=state)
    assert after.batches == 0


def test_maps_tell_in_the_memory_too_what_is_unknown(data, tmp_path):
    for name in {*data.train.ids, *data.of(1).train.ids}:
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (40, 40), 255).save(path)
    method = begun("SSUL-M", data, 1, saliency=str(tmp_path))
    for _, labels in method.entries():
        assert SALIENT in labels and 0 not in labels
