"""The memory: what qualifies, who is chosen, what is kept of it and how it comes back."""

import json
import logging
import random

import numpy as np
import pytest
import torch
from PIL import Image

from dataset.increment import increment_data
from dataset.memory.record import MARGIN, MEAN_COLOUR, keep_classes, record
from dataset.memory.replay import WithMemory
from dataset.memory.store import Memory, is_candidate, select
from dataset.shapes import Shapes
from experiment import checkpoint
from tasks import named_step
from utils.labels import IGNORE

STEPS = 3  # of task 2-2 on six classes


@pytest.fixture(scope="module")
def increments(tmp_path_factory):
    """Data of each step of a small generated task."""
    step = named_step("shapes", 7, "2-2")
    dataset = Shapes(size=40, num_train=60, num_val=2)
    cache = tmp_path_factory.mktemp("cache")
    return [
        increment_data(dataset, step.at(index), crop_size=32, cache_dir=cache, seed=3)
        for index in range(STEPS)
    ]


def filled(memory, data, *, budget=6, whole=False):
    """`memory` after the refill at the start of the step of `data`."""
    before = data.of(data.step.index - 1).train
    memory.refill(
        before, step=data.step.index, num_old=data.step.num_old, budget=budget, whole=whole, seed=data.seed
    )
    return memory


def identity(memory):
    return [(entry.id, entry.label, entry.classes, entry.corner) for entry in memory.records]


# -- candidates and choice -----------------------------------------------------------------------------------
def test_a_class_in_two_parts_disqualifies_an_image_and_diagonal_neighbours_are_two_parts():
    labels = torch.zeros(4, 6, dtype=torch.uint8)
    labels[1, 1:3] = 1
    assert is_candidate(labels)
    labels[2, 3] = 1
    assert not is_candidate(labels)
    labels[1, 3] = 1
    assert is_candidate(labels)


def test_background_and_ignored_pixels_may_fall_apart_as_they_like():
    labels = torch.tensor([[0, IGNORE, 0, IGNORE], [IGNORE, 2, IGNORE, 0]], dtype=torch.uint8)
    assert is_candidate(labels)


@pytest.mark.parametrize("whole", [True, False])
def test_where_nothing_is_alone_whole_images_are_kept_all_the_same_and_crops_are_not(
    increments, whole, monkeypatch, caplog
):
    monkeypatch.setattr("dataset.memory.store.is_candidate", lambda labels: False)
    memory = filled(Memory(), increments[1], whole=whole)
    said = caplog.messages[0]
    if whole:
        assert len(memory.records) == 6 and {entry.label for entry in memory.records} == {1, 2}
        assert said == "class 1, 2 is in no image of single instances: any image may be kept for step 1"
    else:
        assert not memory.records and said.startswith("no image qualifies for the memory of class 1, 2: ")


def test_choice_is_balanced_and_stays_within_the_budget():
    candidates = [(number, (1 + number % 3,)) for number in range(30)]
    chosen = select(candidates, [2, 1, 3], 8)
    assert {label: len(found) for label, found in chosen.items()} == {2: 3, 1: 3, 3: 2}
    assert [key for key, _ in chosen[1]] == [0, 3, 6]


def test_choice_ends_when_the_candidates_do():
    chosen = select([("a", (1, 2)), ("b", (1,)), ("c", ())], [1, 2, 3], 100)
    assert chosen == {1: [("a", (1, 2)), ("b", (1,))], 2: [], 3: []}


def test_choice_reads_no_more_candidates_than_it_needs():
    read = []
    candidates = ((read.append(number) or number, (1,)) for number in range(1000))
    select(candidates, [1], 5)
    assert len(read) == 5


def test_each_candidate_is_taken_once():
    chosen = select([(number, (1, 2, 3)) for number in range(7)], [1, 2, 3], 7)
    keys = [key for found in chosen.values() for key, _ in found]
    assert sorted(keys) == list(range(7))


# -- what is kept --------------------------------------------------------------------------------------------
def scene():
    """An image with classes 1 and 2 at known places, and void."""
    image = torch.randint(256, (3, 30, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(30, 40, dtype=torch.uint8)
    labels[10:14, 20:30], labels[2, 2] = 1, IGNORE
    return image, labels


def entry_of(image, labels, **facts):
    return record(
        image, labels, **{"source": "a/b", "step": 0, "label": 1, "classes": (1,), "whole": False} | facts
    )


def test_an_entry_keeps_the_crop_around_its_classes_and_knows_where_it_was():
    image, labels = scene()
    entry = entry_of(image, labels)
    assert entry.corner == (10 - MARGIN, 20 - MARGIN) and entry.size == (30, 40)
    again, again_labels = entry.restore()
    assert torch.equal(again_labels, torch.where(labels == 1, 1, 0).to(torch.uint8))
    inside = (slice(None), slice(10, 14), slice(20, 30))
    assert torch.equal(again[inside], image[inside])
    assert again[:, 0, 0].tolist() == list(MEAN_COLOUR)


def test_a_crop_ends_at_the_image():
    image, labels = scene()
    labels[0, 0] = labels[-1, -1] = 1
    entry = entry_of(image, labels)
    assert torch.equal(entry.restore()[0], image)


def test_a_whole_entry_keeps_every_pixel_and_label():
    image, labels = scene()
    again, again_labels = entry_of(image, labels, whole=True).restore()
    assert torch.equal(again, image) and torch.equal(again_labels, labels)


def test_only_recorded_classes_stay_visible():
    image, labels = scene()
    labels[20:22, 5:9] = 2
    alone, alone_labels = keep_classes(image, labels, (2, IGNORE))
    assert alone_labels.unique().tolist() == [0, 2]
    assert torch.equal(alone[:, 20:22, 5:9], image[:, 20:22, 5:9])
    assert alone[:, 11, 25].tolist() == list(MEAN_COLOUR)
    _, ignored = keep_classes(image, labels, (2,), rest=IGNORE)
    assert ignored.unique().tolist() == [2, IGNORE]


# -- over the steps ------------------------------------------------------------------------------------------
def test_budget_is_kept_and_entries_are_carried_over(increments):
    first = filled(Memory(), increments[1])
    assert len(first.records) == 6 and {entry.step for entry in first.records} == {0}
    before = {entry.id for entry in first.records}
    second = filled(first, increments[2])
    assert len(second.records) == 6
    assert {entry.label for entry in second.records} == {1, 2, 3, 4}
    carried = {entry.id for entry in second.records if entry.label in (1, 2)}
    assert carried and carried <= before  # what shows the classes of step 0 can only come from the memory


def test_labels_are_those_of_the_entrys_own_step(increments):
    memory = filled(filled(Memory(), increments[1]), increments[2], budget=12, whole=True)
    for entry in memory.records:
        shown = set(entry.restore()[1].unique().tolist()) - {0, IGNORE}
        taught = {0: {1, 2}, 1: {3, 4}}[entry.step]
        assert entry.label in shown and shown <= taught


def test_the_choice_is_the_same_on_every_process_and_changes_with_the_seed(increments):
    assert identity(filled(Memory(), increments[1])) == identity(filled(Memory(), increments[1]))
    other = Memory()
    other.refill(increments[0].train, step=1, num_old=3, budget=6, whole=False, seed=4)
    assert identity(other) != identity(filled(Memory(), increments[1]))


def test_a_continued_step_keeps_its_memory(increments):
    memory = filled(Memory(), increments[1])
    before = identity(memory)
    assert identity(filled(memory, increments[1], budget=1)) == before


def test_a_class_without_candidates_is_reported_and_left_out(increments, caplog):
    with caplog.at_level(logging.WARNING):
        memory = filled(Memory(), increments[2])  # nothing of step 0 was carried over
    assert {entry.label for entry in memory.records} == {3, 4}
    assert "class 1, 2" in caplog.text


def test_no_budget_means_no_memory(increments, caplog):
    memory = filled(Memory(), increments[1], budget=0)
    assert memory.records == [] and not caplog.records


def test_a_memory_survives_a_checkpoint(increments, tmp_path):
    memory = filled(Memory(), increments[1])
    checkpoint.save({"method_state": {"memory": memory.state_dict()}}, tmp_path / "step_1.pt")
    again = Memory()
    again.load_state_dict(checkpoint.load(tmp_path / "step_1.pt")["method_state"]["memory"])
    assert again.step == memory.step and identity(again) == identity(memory)
    for one, other in zip(memory.records, again.records, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one.restore(), other.restore(), strict=True))


def test_the_folder_can_be_looked_at(increments, tmp_path):
    memory = filled(Memory(), increments[1])
    memory.save(tmp_path / "memory")
    memory.save(tmp_path / "memory")  # replaces what is there
    index = json.loads((tmp_path / "memory/index.json").read_text())
    assert index["step"] == 1 and index["bytes"] == sum(entry.num_bytes for entry in memory.records)
    assert len(index["records"]) == 6
    for row in index["records"]:
        folder = tmp_path / "memory"
        with Image.open(folder / row["image"]) as picture, Image.open(folder / row["labels"]) as labels:
            assert picture.mode == "RGB" and labels.mode == "P" and picture.size == labels.size
            assert row["label"] in row["classes"] and row["label"] in np.unique(np.array(labels))
        assert row["step"] == 0 and row["source"].startswith("train/")
    files = {row[key] for row in index["records"] for key in ("image", "labels")} | {"index.json"}
    assert {path.name for path in (tmp_path / "memory").iterdir()} == files
    assert [path.name for path in tmp_path.iterdir()] == ["memory"]


# -- how it comes back ---------------------------------------------------------------------------------------
def test_each_entry_comes_once_per_epoch_after_the_images(increments):
    images, memory = increments[1].train, filled(Memory(), increments[1])
    both = WithMemory(images, memory.records, alone=True)
    assert len(both) == len(images) + 6 == len(both.ids) == len(set(both.ids))
    for mine, theirs in zip(both[0, 3], images[0, 3], strict=True):
        assert torch.equal(mine, theirs)


def test_an_instance_comes_without_its_context(increments):
    images, memory = increments[1].train, filled(Memory(), increments[1])
    both = WithMemory(images, memory.records, alone=True)
    for index in range(len(images), len(both)):
        image, labels = both[1, index]
        assert image.dtype == labels.dtype == torch.uint8 and image.shape == (3, 32, 32)
        emptied = labels == 0
        assert (image[:, emptied] == torch.tensor(MEAN_COLOUR).view(3, 1)).all()
        assert set(labels.unique().tolist()) <= {0, *both.records[index - len(images)].classes}


def test_a_view_of_an_entry_depends_on_seed_epoch_and_entry_alone(increments):
    images, memory = increments[1].train, filled(Memory(), increments[1])
    both = WithMemory(images, memory.records, alone=True)
    last = len(both) - 1
    once = both[2, last]
    random.random()
    both[0, 0]
    assert all(torch.equal(a, b) for a, b in zip(once, both[2, last], strict=True))
    assert not torch.equal(once[0], both[3, last][0])
