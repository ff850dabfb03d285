import json

import numpy as np
import pytest
import torch

from dataset.images import apply_table
from dataset.rules import PROTOCOLS, SETTINGS, label_table, partition, select
from tasks import Step
from utils.labels import IGNORE

GROUPS = ((0, 3, 1), (2,), (5, 4))  # learned in this order: 3, 1, then 2, then 5, 4
IMAGES = {  # id: labels in it
    "base": [0, 1],
    "base+future": [0, 3, 4],
    "middle": [0, 2, 255],
    "middle+old": [1, 2],
    "middle+future": [2, 4],
    "last+all": [0, 1, 2, 3, 4, 5],
    "nothing": [0, 255],
    "void": [255],
}
IDS = list(IMAGES)


def shown(images=IMAGES):
    table = np.zeros((len(images), 256), bool)
    for row, labels in enumerate(images.values()):
        table[row, labels] = True
    return table


def showing(table):
    return lambda labels: table[:, labels].any(axis=1)


def chosen(step, setting="overlap", split="train"):
    rows = select(showing(shown()), IDS, step, split=split, setting=setting)
    return {id for id, row in zip(IDS, rows, strict=True) if row}


@pytest.fixture(params=range(3))
def step(request):
    return Step("toy", "2-1-2", request.param, GROUPS)


def test_overlap_takes_every_image_with_a_new_class():
    step = Step("toy", "2-1-2", 1, GROUPS)
    assert chosen(step) == {"middle", "middle+old", "middle+future", "last+all"}


@pytest.mark.parametrize("setting", ["disjoint", "sequential"])
def test_disjoint_and_sequential_leave_out_images_with_future_classes(setting):
    steps = [Step("toy", "2-1-2", index, GROUPS) for index in range(3)]
    assert [chosen(step, setting) for step in steps] == [
        {"base"},
        {"middle", "middle+old"},
        {"base+future", "middle+future", "last+all"},
    ]


def test_disjoint_sets_are_a_partition_of_the_images_with_a_class():
    sets = [chosen(Step("toy", "2-1-2", index, GROUPS), "disjoint") for index in range(3)]
    assert set.union(*sets) == set(IDS) - {"nothing", "void"}
    assert sum(map(len, sets)) == len(IDS) - 2


def test_partitioned_uses_every_image_once_where_it_shows_a_class():
    ids = [f"image{number}" for number in range(300)]
    rng = np.random.default_rng(0)
    table = np.zeros((300, 256), bool)
    table[:, :6] = rng.random((300, 6)) < 0.3
    steps = [Step("toy", "2-1-2", index, GROUPS) for index in range(3)]
    picked = np.stack([select(showing(table), ids, step, setting="partitioned") for step in steps])
    overlap = np.stack([select(showing(table), ids, step) for step in steps])
    assert (picked <= overlap).all()
    assert np.array_equal(picked.sum(0), overlap.any(0))
    several = overlap.sum(0) == 3
    assert all(picked[index, several].any() for index in range(3))


def test_partition_depends_on_the_id_and_not_on_the_position():
    step = Step("toy", "2-1-2", 0, GROUPS)
    steps = dict(zip(IDS, partition(showing(shown()), IDS, step), strict=True))
    back = dict(zip(IDS[::-1], partition(showing(shown()[::-1]), IDS[::-1], step), strict=True))
    assert steps == back and steps["nothing"] == steps["void"] == -1


@pytest.mark.parametrize("setting", SETTINGS)
def test_validation_and_test_use_the_overlap_rule_in_every_setting(setting, step):
    assert chosen(step, setting, "val") == chosen(step)
    earlier = [Step("toy", "2-1-2", index, GROUPS) for index in range(step.index + 1)]
    assert chosen(step, setting, "test") == set.union(*map(chosen, earlier))


def test_without_background_label_0_is_a_class_like_any_other():
    step = Step("toy", "2-1", 0, ((0, 1), (2,)), has_background=False)
    assert "nothing" in chosen(step) and "void" not in chosen(step)
    assert "base" in chosen(step, "disjoint") and "middle" not in chosen(step, "disjoint")


def test_task_that_does_not_grow_shows_all_labels_of_all_images(step):
    probing = Step("toy", "probing", step.index, ((0, 1, 2, 3, 4, 5),) * 3)
    for setting in SETTINGS:
        assert chosen(probing, setting) == set(IDS) - {"nothing", "void"}
    assert label_table(probing)[[0, 1, 5, 255]].tolist() == [0, 1, 5, 255]


def per_pixel(label, step, split, protocol):
    """The rule in words, one pixel at a time (mib.md 3.3, VOC rows)."""
    visible = step.seen if split == "test" else step.new
    if label == 0:
        return 0
    if label == IGNORE:
        return 0 if protocol == "mib" and split == "train" else IGNORE
    if label in visible:
        return step.order.index(label)
    return IGNORE if protocol == "mib" and split != "train" else 0


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_table_equals_the_mapping_of_every_pixel(step, split, protocol):
    labels = torch.randint(0, 6, (9, 13), dtype=torch.uint8)
    labels[labels.float().add(torch.rand(9, 13)) > 5.7] = IGNORE
    table = label_table(step, split=split, protocol=protocol)
    want = [[per_pixel(label, step, split, protocol) for label in row] for row in labels.tolist()]
    assert apply_table(table, labels).tolist() == want


def test_masking_keeps_or_ignores_old_classes():
    step = Step("toy", "2-1-2", 1, GROUPS)
    assert label_table(step)[[3, 1, 2, 4]].tolist() == [0, 0, 3, 0]
    assert label_table(step, masking="current+old")[[3, 1, 2, 4]].tolist() == [1, 2, 3, 0]
    assert label_table(step, masking="new")[[0, 3, 1, 2, 4]].tolist() == [0, 255, 255, 3, 255]


@pytest.mark.parametrize("protocol, val", [("plop", 0), ("mib", 255)])
def test_unscored_background_leaves_the_test_and_in_protocol_mib_the_validation(protocol, val):
    step = Step("toy", "2-1-2", 1, GROUPS)
    tables = {
        split: label_table(step, split=split, protocol=protocol, score_background=False)[[0, 4]].tolist()
        for split in ("train", "val", "test")
    }
    assert tables == {"train": [0, 0], "val": [val, val], "test": [255, 255]}


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_without_background_void_and_other_classes_are_ignored(protocol, split):
    step = Step("toy", "2-1-1", 1, ((0, 1), (2,), (3,)), has_background=False)
    old = [0, 1] if split == "test" else [255, 255]
    assert label_table(step, split=split, protocol=protocol)[[0, 1, 2, 3, 255]].tolist() == [
        *old,
        2,
        255,
        255,
    ]


def test_background_can_be_left_out_of_tests(cli, tmp_path):
    status, _, err = cli("--task", "offline", "--ignore_test_bg")
    assert status == 0, err
    result = json.loads((tmp_path / "results/small_offline_overlap/FT_tiny/step_0.json").read_text())
    assert result["classes"][0]["pixels"] == 0 and result["classes"][1]["pixels"] > 0
