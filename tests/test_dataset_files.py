import json
import logging
from pathlib import Path

import pytest

from dataset import build_dataset
from dataset.ade import ADE
from dataset.base import voc_palette
from dataset.voc import VOC
from tests.dataset_trees import write_ade, write_image, write_mask, write_voc

FACTS = json.loads((Path(__file__).parent / "goldens/mib/class_names_and_colours.json").read_text())


@pytest.fixture
def voc(tmp_path):
    return write_voc(tmp_path / "VOC2012", {"b": [0, 1], "a": [0, 2, 255]}, {"v": [0, 3]})


def test_names_and_colours_are_the_published_ones():
    assert list(VOC.class_names) == FACTS["voc"]
    assert list(ADE.class_names) == FACTS["ade"]
    assert voc_palette()[:21].tolist() == FACTS["colour_voc"]


def test_voc_without_a_training_list_trains_on_all_augmented_masks_that_are_not_val(voc):
    dataset = VOC(voc)
    assert [sample.id for sample in dataset.samples("train")] == ["a", "b"]
    assert [sample.id for sample in dataset.samples("val")] == ["v"]
    assert dataset.samples("val")[0].mask.parent.name == "SegmentationClass"


@pytest.mark.parametrize("place", ["", "VOC2012", "VOCdevkit/VOC2012", "PascalVOC12"])
def test_voc_is_found_below_the_root(tmp_path, place):
    write_voc(tmp_path / place, {"a": [1]}, {"v": [1]})
    assert len(VOC(tmp_path).samples("val")) == 1


@pytest.mark.parametrize("folder", ["splits", "list"])
@pytest.mark.parametrize("end", ["\n", "", "\r\n", "\n\n  \n"])
def test_published_lists_are_read_whatever_their_last_line_ends_in(voc, folder, end):
    (voc / folder).mkdir()
    lines = [f"/JPEGImages/{id}.jpg /SegmentationClassAug/{id}.png" for id in ("b", "a")]
    newline = "\r\n" if "\r" in end else "\n"
    (voc / folder / "train_aug.txt").write_bytes((newline.join(lines) + end).encode())
    samples = VOC(voc).samples("train")
    assert [sample.id for sample in samples] == ["b", "a"]
    assert samples[1].mask == voc / "SegmentationClassAug/a.png"


@pytest.mark.parametrize(
    "line, complaint",
    [
        ("c", r"train_aug|c\.jpg, which does not exist \(2 in all\)"),
        ("a", "lists a 2 times"),
        ("/JPEGImages/../../x.jpg /SegmentationClassAug/a.png", "not below"),
        ("one two three", "neither an id nor an image and its mask"),
    ],
)
def test_bad_line_of_a_list_is_named(voc, line, complaint):
    (voc / "ImageSets/Segmentation/trainaug.txt").write_text(f"a\nb\n{line}\n")
    with pytest.raises((ValueError, FileNotFoundError), match=complaint):
        VOC(voc).samples("train")


def test_list_that_is_no_text_is_refused(voc):
    (voc / "ImageSets/Segmentation/trainaug.txt").write_bytes(b"\xff\xfe\x00\x01\xff")
    with pytest.raises(ValueError, match="trainaug.txt is not a text file"):
        VOC(voc).samples("train")


def test_empty_list_is_refused(voc):
    (voc / "ImageSets/Segmentation/trainaug.txt").write_text("\n")
    with pytest.raises(FileNotFoundError, match="voc train has no images"):
        VOC(voc).samples("train")


@pytest.mark.parametrize(
    "name, cure", [("voc", "VOC2012/JPEGImages"), ("ade", "ADEChallengeData2016/images")]
)
def test_missing_root_says_what_to_give(tmp_path, name, cure):
    with pytest.raises(FileNotFoundError, match=f"{cure}; give --data_root"):
        build_dataset(name, tmp_path / "nowhere")


def test_missing_augmented_masks_are_explained(voc):
    (voc / "SegmentationClassAug").rename(voc / "other")
    with pytest.raises(FileNotFoundError, match="no SegmentationClassAug; see data/README.md"):
        VOC(voc).samples("train")


@pytest.mark.parametrize("name", ["voc", "ade"])
def test_unknown_split_is_refused(tmp_path, name):
    root = {"voc": write_voc, "ade": write_ade}[name](tmp_path / name, {"a": [1]}, {"v": [1]})
    with pytest.raises(ValueError, match="no split 'test'; known: train, val"):
        build_dataset(name, root).samples("test")


def test_another_number_of_images_than_published_is_reported_once(voc, caplog):
    dataset = VOC(voc)
    with caplog.at_level(logging.WARNING):
        dataset.samples("train")
        dataset.samples("train")
    assert [record.message for record in caplog.records] == [
        "voc val has 1 images, not 1449 as published",
        "voc train has 2 images, not 10582 as published",
    ]


def test_ade_is_ordered_by_name_and_keeps_its_labels(tmp_path):
    write_ade(tmp_path / "ADEChallengeData2016", {"ADE_2": [150, 0], "ADE_1": [7]}, {"ADE_v": [1]})
    dataset = build_dataset("ADE", tmp_path)
    assert [sample.id for sample in dataset.samples("train")] == ["ADE_1", "ADE_2"]
    image, labels = dataset.read(dataset.samples("train")[1])
    assert image.shape == (3, 16, 20) and set(labels.unique().tolist()) == {0, 150}


def test_unknown_dataset_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean shapes"):
        build_dataset("shape")


def test_mask_of_another_size_names_both_files(voc):
    write_mask(voc / "SegmentationClassAug/a.png", [1], size=(20, 17))
    dataset = VOC(voc)
    with pytest.raises(ValueError, match=r"a\.png is 20x17 pixels, but its image .*a\.jpg is 20x16"):
        dataset.read(dataset.samples("train")[0])


def test_fingerprint_changes_with_content_and_not_with_the_place(voc, tmp_path):
    before = VOC(voc).fingerprint("train")
    assert VOC(voc.rename(tmp_path / "PascalVOC12")).fingerprint("train") == before
    write_image(tmp_path / "PascalVOC12/JPEGImages/c.jpg")
    write_mask(tmp_path / "PascalVOC12/SegmentationClassAug/c.png", [1])
    assert VOC(tmp_path).fingerprint("train") != before
