"""Own data over the life of a network: order of classes, named steps, steps with images of their own."""

import shutil

import numpy as np
import pytest
from PIL import Image

from dataset import build_dataset
from dataset.increment import increment_data
from tasks import make_step
from tests.dataset_trees import write_bands

VAL = "val: {images: val/images, masks: val/masks}\n"
TRAIN = "train: {images: train/images, masks: train/masks}\n"


@pytest.fixture
def described(tmp_path, monkeypatch):
    """`described(yaml, **folders)`: a description, and folders of images that show some of classes abc."""
    monkeypatch.chdir(tmp_path)

    def make(text: str, **folders: list[str]):
        for folder, shows in folders.items():
            write_bands(tmp_path / folder, shows)
        (tmp_path / "d.yaml").write_text(text)
        return tmp_path / "d.yaml"

    return make


def names_of(path, task: str) -> list[list[str]]:
    """Classes that each step teaches."""
    dataset = build_dataset(str(path))
    return [[dataset.class_names[label] for label in group] for group in make_step(dataset, task).groups]


CLASSES = "classes: [background, a, b, c]\n"
ALL = {"train": ["abc"] * 4, "val": ["abc"] * 2}


def test_tasks_of_counts_take_the_classes_in_the_order_given(described):
    path = described(CLASSES + TRAIN + VAL + "order: [c, a, b]\n", **ALL)
    assert names_of(path, "1-1") == [["background", "c"], ["a"], ["b"]]


def test_named_steps_are_a_task_and_the_one_of_a_run_that_names_none(described, cli):
    path = described(CLASSES + TRAIN + VAL + "steps: {roads: [c, a], cars: [b]}\n", **ALL)
    assert names_of(path, "steps") == [["background", "c", "a"], ["b"]]
    small = "--crop_size 32 --batch_size 4 --epochs 1 --backbone tiny --num_workers 0".split()
    status, out, err = cli("--dataset", path, *small, defaults=False)
    assert status == 0 and "d steps" in out, err


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("order: [c, a]\n", "leaves b out of order"),
        ("order: [c, a, b, b]\n", "one twice"),
        ("order: [c, a, d]\n", "d"),
        ("steps: {one: [a, b], two: [b]}\n", "teaches b in two steps"),
        ("steps: {one: [a], two: []}\n", "no class"),
        ("steps: {one: {train: x}}\n", "a list of classes"),
        ("steps: {one: [background, a]}\n", "background"),
    ],
)
def test_what_contradicts_itself_is_refused(described, lines, said):
    path = described(CLASSES + TRAIN + VAL + lines, **ALL)
    with pytest.raises(ValueError, match=said):
        build_dataset(str(path))


def test_a_task_of_named_steps_needs_them(described):
    dataset = build_dataset(str(described(CLASSES + TRAIN + VAL, **ALL)))
    with pytest.raises(ValueError, match="add `steps:"):
        make_step(dataset, "steps")


OLD = "  first: {classes: [a, b], train: {images: old/images, masks: old/masks}}\n"
NEW = "  second: {classes: [c], train: {images: new/images, masks: new/masks}}\n"
FOLDERS = {"old": ["ab"] * 5, "new": ["abc"] * 3 + ["a"], "val": ["abc"] * 2}


def test_a_step_sees_the_images_that_it_brings_and_that_show_its_classes(described, tmp_path):
    dataset = build_dataset(str(described(CLASSES + VAL + "steps:\n" + OLD + NEW, **FOLDERS)))
    data = increment_data(dataset, make_step(dataset, "steps"), cache_dir=tmp_path / "cache")
    seen = [[sample.id for sample in data.of(k).samples("train")] for k in (0, 1)]
    assert seen == [[f"first:{k}" for k in range(5)], [f"second:{k}" for k in range(3)]]


@pytest.mark.parametrize("gone", [False, True])
def test_a_class_comes_with_photos_of_its_own_whether_the_old_ones_are_there_or_gone(
    described, cli, tmp_path, gone
):
    path = described("classes: [background, a, b]\n" + VAL + "steps:\n" + OLD, **FOLDERS)
    for mask in (tmp_path / "val/masks").iterdir():  # nobody knows of c yet
        labels = np.array(Image.open(mask))
        Image.fromarray(np.where(labels == 3, 0, labels)).save(mask)
    argv = ["--dataset", path, "--task", "steps"]
    status, _, err = cli(*argv)
    assert status == 0, err
    if gone:
        shutil.rmtree(tmp_path / "old")
    path.write_text(CLASSES + VAL + "steps:\n" + OLD + NEW)
    status, _, err = cli(*argv, "--step", "1")
    if gone:
        assert status == 2 and "images 5 (" in err and "--accept images" in err
        status, _, err = cli(*argv, "--step", "1", "--accept", "images")
    assert status == 0, err
