"""Tasks under all their names, their steps, and which images of Cityscapes a step gets."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dataset import __main__ as preview
from dataset.cityscapes import (
    CityscapesClasses,
    CityscapesDomain,
    assign_classes,
    class_rows,
    clean_domain_split,
    published_domain_split,
)
from task_tables import ALIASES, TASKS, task_names
from tasks import Step, make_step, named_step

CLASSES = {"voc": 21, "ade": 151, "cityscape": 20, "cityscapes_domain": 19, "imagenet100": 100}
NO_BACKGROUND = {"cityscapes_domain", "imagenet100"}
BY_CLASS = [
    (dataset, name) for dataset in TASKS for name in task_names(dataset) if dataset != "cityscapes_domain"
]


def step_of(dataset, task, index=0):
    return named_step(dataset, CLASSES[dataset], task, index, has_background=dataset not in NO_BACKGROUND)


@pytest.mark.parametrize(("dataset", "name"), BY_CLASS)
def test_every_task_teaches_every_class_once_with_background_first(dataset, name):
    step = step_of(dataset, name)
    assert step.order[0] == 0
    assert sorted(step.order) == list(range(CLASSES[dataset]))
    assert sum(step.all_sizes) == step.num_total


@pytest.mark.parametrize("name", task_names("cityscapes_domain"))
def test_every_domain_task_visits_every_city_once_and_brings_no_class(name):
    step = step_of("cityscapes_domain", name)
    assert sorted(city for group in step.domains for city in group) == list(range(21))
    assert step.num_total == 19
    assert step.sizes == [19]
    assert step.grows == (step.num_steps == 1)


@pytest.mark.parametrize(
    ("dataset", "papers", "published"),
    [
        ("voc", "15-1", "15-5s"),
        ("voc", "15-1_C", "15-5s_c"),
        ("ade", "50-50", "50"),
        ("voc", "joint", "offline"),
    ],
)
def test_names_of_papers_are_the_published_tasks(dataset, papers, published):
    assert step_of(dataset, papers) == step_of(dataset, published)
    assert step_of(dataset, papers).task == published
    assert all(alias not in TASKS[dataset] for alias in ALIASES[dataset])


def test_orders_of_ade_agree_between_tasks():
    for letter in "bc":
        tens, fifties = step_of("ade", f"100-10{letter}"), step_of("ade", f"50{letter}")
        assert tens.groups[0] == (0, *sorted(fifties.groups[0][1:] + fifties.groups[1]))
        assert sorted(sum(tens.groups[1:], ())) == list(fifties.groups[2])


def test_step_knows_old_new_and_seen_classes():
    step = step_of("voc", "15-1_b", 2)
    assert (step.num_old, step.num_new, step.num_seen, step.num_total) == (17, 1, 18, 21)
    assert step.new == (3,)
    assert step.old[-1] == 17
    assert step.seen == step.old + step.new == step.order[:18]
    assert step.sizes == [16, 1, 1] and step.all_sizes == [16, 1, 1, 1, 1, 1]
    assert step.at(0).old == ()


def test_probing_task_knows_all_classes_at_one_step_more():
    step = step_of("voc", "15-1-probing", 6)
    assert step.task == "15-5s-probing"
    assert step.num_steps == 7 and not step.grows
    assert step.num_seen == step.num_new == 21 and step.sizes == [21]


@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 5), st.booleans())
def test_any_counts_that_come_out_even_are_a_task(base, increment, times, has_background):
    num_classes = base + increment * times + has_background
    step = named_step("mine", num_classes, f"{base}-{increment}", has_background=has_background)
    assert step.order == tuple(range(num_classes))
    assert step.all_sizes == [base + has_background] + [increment] * times
    assert named_step("mine", num_classes, "offline", has_background=has_background).num_steps == 1


def test_counts_of_every_step_are_a_task():
    assert named_step("mine", 12, "6-3-2").all_sizes == [7, 3, 2]


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("7-4", "possible: 7-1, 7-13"),
        ("20-1", "1 to 19 of 20"),
        ("0-5", "1 to 19 of 20"),
        ("10-0", "possible: 10-1, 10-2, 10-5, 10-10"),
        ("10-5-4", "add up to 20, not 19"),
        ("15-5t", "did you mean 15-5"),
        ("everything", "such as 6-1"),
        ("15-5s_x", "did you mean 15-5s"),
    ],
)
def test_impossible_task_says_what_is_possible(task, says):
    with pytest.raises(ValueError, match=says):
        step_of("voc", task)


@pytest.mark.parametrize("index", [-1, 6])
def test_step_beyond_the_task_is_refused(index):
    with pytest.raises(ValueError, match=r"has steps 0\.\.5"):
        step_of("voc", "15-1", index)


def test_dataset_object_names_its_own_task():
    dataset = SimpleNamespace(
        name="mine", class_names=tuple("abcde"), has_background=False, class_order=(), named_steps=()
    )
    assert make_step(dataset, "3-1", 1).new == (3,)
    assert make_step(dataset, "3-1").dataset == "mine"


# -- the preview
def test_preview_names_the_classes_of_each_step_without_data(capsys):
    assert preview.main(["voc", "15-1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "voc 15-5s: 6 steps, 21 classes"
    assert lines[1].startswith("step 0: background, aeroplane")
    assert lines[-1] == "step 5: tvmonitor"


def test_preview_counts_images_and_pixels_where_there_is_data(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_world(tmp_path / "data")
    (tmp_path / "mine.yaml").write_text(
        "classes: [nothing, cat, dog]\n"
        "train: {images: data/images, masks: data/masks}\n"
        "val: {images: data/images, masks: data/masks}\n"
    )
    assert preview.main(["mine.yaml", "1-1"]) == 0
    out = capsys.readouterr().out
    assert "step 1: dog" in out
    assert "cat" in out and "40" in out  # 5 images of 8 pixels


def test_description_alone_lists_its_tasks(capsys, tmp_path):
    write_world(tmp_path)
    path = tmp_path / "mine.yaml"
    place = "{images: images, masks: masks}"
    path.write_text(f"classes: [nothing, a, b, c]\ntrain: {place}\nval: {place}\ntasks: [2-1, 1-1]\n")
    assert preview.main([str(path)]) == 0
    assert capsys.readouterr().out == "mine: 2-1, 1-1, offline, or class counts such as 2-1\n"


def test_preview_keeps_its_scan_where_it_is_told_to(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cache").write_text("in the way")
    write_world(tmp_path / "data")
    place = "{images: data/images, masks: data/masks}"
    (tmp_path / "mine.yaml").write_text(f"classes: [nothing, a, b]\ntrain: {place}\nval: {place}\n")
    assert preview.main(["mine.yaml", "1-1"]) == 2
    assert "give another folder by --cache_dir" in capsys.readouterr().err
    assert preview.main(["mine.yaml", "1-1", "--cache_dir", "elsewhere"]) == 0
    assert list((tmp_path / "elsewhere").glob("presence_*"))


def write_world(root):
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number in range(8):
        mask = np.zeros((4, 4), np.uint8)
        mask[:2] = 1 if number < 5 else 2
        Image.fromarray(np.full((4, 4, 3), number, np.uint8)).save(root / "images" / f"{number}.png")
        Image.fromarray(mask).save(root / "masks" / f"{number}.png")


def test_list_of_tasks_has_every_dataset(capsys):
    assert preview.main([]) == 0
    assert "15-5s" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["vok"], ["voc", "15-6"], ["none.yaml", "1-1"], ["voc", "15-1", "--data_root", "/none"]]
)
def test_mistake_in_the_preview_is_one_line_and_status_2(capsys, words):
    assert preview.main(words) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


# -- Cityscapes
DOMAINS = [city for city in range(21) for _ in range(5 + city % 4)]


def test_clean_split_tests_on_no_image_that_any_step_trains_on():
    parts = clean_domain_split(DOMAINS)
    assert sorted(parts["train"] + parts["val"]) == list(range(len(DOMAINS)))
    for city in range(21):
        images = [position for position in range(len(DOMAINS)) if DOMAINS[position] == city]
        assert len(set(images) & set(parts["train"])) == int(0.8 * len(images))


def test_published_split_tests_on_images_it_trained_on():
    step = step_of("cityscapes_domain", "11-5", 2)
    trained = [published_domain_split(DOMAINS, step.at(index), "train") for index in range(3)]
    assert set(sum(trained, [])) & set(published_domain_split(DOMAINS, step, "test"))
    assert not set(trained[0]) & set(published_domain_split(DOMAINS, step.at(0), "test"))


def test_every_image_serves_one_class_it_shows():
    shown = np.random.RandomState(0).rand(300, 20) < 0.15
    serves = assign_classes(shown, room=10)
    assigned = serves >= 0
    assert shown[np.flatnonzero(assigned), serves[assigned]].all()
    sizes = np.bincount(serves[assigned], minlength=20)
    assert sizes[:19].max() == 10 and sizes[19] > 10
    rows = class_rows(serves, range(20))
    assert len(set(rows)) == len(rows) == assigned.sum()


def write_cityscapes(root, per_city=5):
    for split, cities in {"train": ("aachen", "bochum"), "val": ("munster",)}.items():
        for city in cities:
            images, masks = root / "leftImg8bit" / split / city, root / "gtFine" / split / city
            images.mkdir(parents=True), masks.mkdir(parents=True)
            for number in range(per_city):
                stem = f"{city}_{number:06d}_000019"
                Image.fromarray(np.zeros((4, 8, 3), np.uint8)).save(images / f"{stem}_leftImg8bit.png")
                mask = np.full((4, 8), (7, 33, 0, 8, 11)[number], np.uint8)
                Image.fromarray(mask).save(masks / f"{stem}_gtFine_labelIds.png")


def test_domain_dataset_holds_out_a_fifth_of_each_city(tmp_path):
    write_cityscapes(tmp_path)
    dataset = CityscapesDomain(tmp_path)
    train, val = dataset.samples("train"), dataset.samples("val")
    assert [sample.domain for sample in train] == [0] * 4 + [9] * 4 + [20] * 4
    assert [sample.domain for sample in val] == [0, 9, 20]
    assert not {sample.id for sample in train} & {sample.id for sample in val}
    assert {int(label) for sample in (*train, *val) for label in dataset.read(sample)[1].unique()} == {
        0,
        1,
        2,
        18,
        255,
    }
    assert dataset.rows(step_of("cityscapes_domain", "11-5"), "train", lambda: None) is None


def test_leaky_domain_dataset_selects_as_published(tmp_path):
    write_cityscapes(tmp_path)
    dataset = CityscapesDomain(tmp_path, leaky=True)
    domains = [sample.domain for sample in dataset.samples("train")]
    assert domains == [0] * 5 + [9] * 5 + [20] * 5
    step = step_of("cityscapes_domain", "11-5", 2)
    for split in ("train", "val", "test"):
        want = sorted(published_domain_split(domains, step, split))
        assert dataset.rows(step, split, lambda: None).tolist() == want


def test_class_dataset_gives_each_image_to_one_step(tmp_path):
    write_cityscapes(tmp_path)
    dataset = CityscapesClasses(tmp_path)
    samples = dataset.samples("train")
    labels = [set(dataset.read_mask(sample).unique().tolist()) for sample in samples]
    assert set.union(*labels) == {1, 2, 3, 19, 255}
    shown = np.array([[label in there for label in range(256)] for there in labels])
    step = step_of("cityscape", "10-9")
    first, second = (dataset.rows(step.at(index), "train", lambda: shown).tolist() for index in (0, 1))
    assert [labels[row] for row in first] == [{1}, {2}, {3}] * 2
    assert [labels[row] for row in second] == [{19}] * 2
    assert dataset.rows(step.at(1), "test", lambda: shown).tolist() == sorted(first + second)
    assert dataset.rows(step_of("cityscape", "offline"), "train", lambda: shown) is None


def test_unknown_city_or_split_or_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="leftImg8bit"):
        CityscapesDomain(tmp_path)
    write_cityscapes(tmp_path)
    for dataset in (CityscapesDomain(tmp_path), CityscapesClasses(tmp_path)):
        with pytest.raises(ValueError, match="has no split 'tset'"):
            dataset.samples("tset")
    (tmp_path / "leftImg8bit" / "train" / "aachen").rename(tmp_path / "leftImg8bit" / "train" / "atlantis")
    with pytest.raises(ValueError, match="atlantis"):
        CityscapesDomain(tmp_path).samples("train")


def test_repeated_group_marks_a_task_without_new_classes():
    assert not Step("x", "t", 1, ((0, 1), (0, 1))).grows
    assert Step("x", "t", 1, ((0,), (1,)), has_background=False).grows
