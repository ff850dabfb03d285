"""BalConpas-M: which old images are kept, and what of them a step sees."""

import pytest
import torch

from dataset.increment import increment_data
from dataset.shapes import Shapes
from methods import METHODS
from methods.build import step0_as
from tasks import named_step
from utils.labels import IGNORE


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Data of step 0 of a small generated task; `.of(index)` gives the others."""
    step = named_step("shapes", 7, "2-2")
    dataset, cache = Shapes(size=40, num_train=60, num_val=2), tmp_path_factory.mktemp("cache")
    return increment_data(dataset, step, crop_size=32, cache_dir=cache, seed=3)


def begun(data, index, before=None, *, mem_size=6):
    """The method at step `index`, and its training images, after what `before` left."""
    method = METHODS["BalConpas-M"](data.step.at(index), mem_size=mem_size)
    method.load_state_dict(before or {})
    return method, method.train_set(data.of(index))


def test_old_classes_come_as_often_as_in_the_steps_that_taught_them_and_old_entries_stay(data):
    first, images = begun(data, 1)
    assert len(first.memory.records) == 6 and len(images) == len(data.of(1).train) + 6
    assert len(first.totals) == 2 and sum(first.totals) >= len(data.train)
    second, images = begun(data, 2, first.state_dict())
    old = [one for one in second.memory.records if one.step == 0]
    assert len(second.memory.records) == 6 and len(old) == 6 * 2 // 4
    assert {one.id for one in old} <= {one.id for one in first.memory.records}
    rows = [[float(c in one.classes) for c in range(1, 5)] for one in second.memory.records]
    shown = torch.tensor(rows).sum(0)
    wanted = torch.tensor(second.totals) / sum(second.totals)
    assert (shown / shown.sum() - wanted).abs().max() < 0.15


def test_entries_show_the_classes_of_their_own_step_and_ignore_the_rest(data):
    method, images = begun(data, 1)
    for number, one in enumerate(method.memory.records):
        _, labels = one.restore()
        assert set(labels.unique().tolist()) - {IGNORE} == set(one.classes) <= {1, 2}
        _, crop = images[0, len(images) - 6 + number]
        assert set(crop.unique().tolist()) <= {1, 2, IGNORE}


def test_a_resumed_step_and_a_memory_of_nothing(data):
    first, _ = begun(data, 1)
    again, _ = begun(data, 1, first.state_dict())
    assert [one.id for one in again.memory.records] == [one.id for one in first.memory.records]
    assert again.totals == first.totals
    nothing, images = begun(data, 1, mem_size=0)
    assert not nothing.memory.records and len(images) == len(data.of(1).train)
    assert step0_as(METHODS["BalConpas-M"]) == "FT"
