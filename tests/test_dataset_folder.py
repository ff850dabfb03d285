import numpy as np
import pytest
import torch

from data.camvid import CLASSES
from dataset import build_dataset
from dataset.folder import Folder
from dataset.increment import increment_data
from tasks import Step
from tests.dataset_trees import write_folder, write_image, write_mask

TRAIN, VAL = {"a": [0, 1, 255], "b": [2]}, {"v": [0, 1, 2]}


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_ten_lines_describe_a_dataset(tmp_path):
    dataset = build_dataset(str(write_folder(tmp_path, TRAIN, VAL)))
    assert (dataset.name, dataset.class_names) == ("pets", ("background", "cat", "dog"))
    assert dataset.has_background and dataset.test_split == "val"
    assert [sample.id for sample in dataset.samples("train")] == ["a", "b"]
    assert dataset.read(dataset.samples("train")[0])[1].unique().tolist() == [0, 1, 255]


def test_data_root_wins_over_the_root_in_the_file(tmp_path):
    path = write_folder(tmp_path / "here", TRAIN, VAL, extra="root: .")
    (tmp_path / "here").joinpath("masks").rename(tmp_path / "masks")
    (tmp_path / "here").joinpath("images").rename(tmp_path / "images")
    assert len(Folder(tmp_path, path).samples("val")) == 1
    with pytest.raises(FileNotFoundError, match="no folder .*here/images/val"):
        Folder("", path).samples("val")


def test_classes_may_be_a_file_and_splits_may_be_patterns_or_lists(tmp_path):
    path = write_folder(tmp_path, TRAIN, VAL)
    (tmp_path / "names.txt").write_text("background\nbig cat\r\ndog\n\n")
    (tmp_path / "val.txt").write_text("images/val/v.jpg masks/val/v.png")
    change(path, "[background, cat, dog]", "names.txt")
    change(
        path, "{images: images/train, masks: masks/train}", "{images: '*/train/*.jpg', masks: masks/tr*/*}"
    )
    change(path, "{images: images/val, masks: masks/val}", "val.txt\ntest: val.txt\ntasks: [1-1]")
    dataset = Folder("", path)
    assert dataset.class_names == ("background", "big cat", "dog")
    assert [sample.id for sample in dataset.samples("train")] == ["a", "b"]
    assert [sample.id for sample in dataset.samples("test")] == ["images/val/v"]
    assert dataset.test_split == "test" and dataset.tasks == ("1-1",)


def test_ignored_value_has_no_name_and_does_not_count(tmp_path):
    classes = ("cat", "dog", "cow")
    path = write_folder(tmp_path, TRAIN, VAL, classes=classes, extra="ignore: 0\nbackground: false")
    write_mask(tmp_path / "masks/train/a.png", [0, 1, 2, 3, 255])
    labels = Folder("", path).read_mask(Folder("", path).samples("train")[0])
    assert labels[0, ::4].tolist() == [255, 0, 1, 2, 255]


def test_label_beyond_the_classes_is_named_with_the_value_in_the_file(tmp_path):
    path = write_folder(tmp_path, TRAIN, VAL, classes=("cat", "dog"), extra="ignore: [0]\nbackground: false")
    write_mask(tmp_path / "masks/train/b.png", [1, 7])
    step = Step("pets", "offline", 0, ((0, 1),), has_background=False)
    with pytest.raises(ValueError, match=r"b\.png has label 7 .160 pixels., but pets has classes 0\.\.1"):
        increment_data(Folder("", path), step, cache_dir=tmp_path / "cache").rows("train")


def test_without_background_other_classes_are_ignored_in_training(tmp_path):
    path = write_folder(tmp_path, TRAIN, VAL, extra="background: false")
    step = Step("pets", "2-1", 1, ((0, 1), (2,)), has_background=False)
    data = increment_data(Folder("", path), step, cache_dir=tmp_path / "cache", crop_size=8)
    assert data.train.ids == ["b"] and data.of(0).train.ids == ["a"]
    assert set(np.unique(data.of(0).table("train")).tolist()) == {0, 1, 255}
    assert data.table("train")[[0, 1, 2]].tolist() == [255, 255, 2]
    assert data.of(0).table("test")[[0, 1, 2]].tolist() == [0, 1, 255]


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        ("classes:", "clases:", "unknown key in .*pets.yaml 'clases'; did you mean classes"),
        ("classes:", "Classes:", "has the key 'Classes'; keys are lower case"),
        ("[background, cat, dog]", "[yes, cat]", "class name True, which is no text to YAML; quote it"),
        ("[background, cat, dog]", "[a, b, a]", "same name to two classes"),
        ("[background, cat, dog]", "[a]", "2 to 254 names"),
        ("[background, cat, dog]", "none.txt", "there is no .*none.txt, which .* names as classes"),
        ("[background, cat, dog]", "../x.txt", "not below"),
        ("[background, cat, dog]", "{a: b", "pets.yaml is no YAML file"),
        ("val: {images: images/val, masks: masks/val}", "", "lacks val"),
        ("val: {images: images/val, masks: masks/val}", "val: 3", "needs for val"),
        ("masks: masks/val", "mask: masks/val", "needs for val"),
        ("images: images/val", "images: [1]", r"has \[1\] where a folder or a pattern should be"),
        ("images: images/val", "images: ../val", "not below"),
        ("images: images/val", "images: nothing/*", "pets.yaml: val has no images"),
        ("masks: masks/val", "masks: masks/train", r"v\.jpg has no mask of the same name in masks/train"),
        ("{images: images/val, masks: masks/val}", "val.txt", "there is no .*val.txt"),
        ("\ntrain", "\nignore: -1\ntrain", "ignore: -1, which is no number of 0 or more"),
        ("\ntrain", "\nignore: true\ntrain", "ignore: True"),
        ("\ntrain", "\nbackground: 1\ntrain", "background: 1, which is no true or false"),
        ("\ntrain", "\ntasks: 6-1\ntrain", "tasks: '6-1', which is no list"),
        ("\ntrain", "\nroot: nowhere\ntrain", "there is no folder .*nowhere; give --data_root"),
    ],
)
def test_mistake_in_the_description_is_explained(tmp_path, old, new, complaint):
    path = write_folder(tmp_path, TRAIN, VAL)
    change(path, old, new)
    with pytest.raises((ValueError, FileNotFoundError), match=complaint) as caught:
        Folder("", path).samples("val")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a\n- b", "just text", "\x00", "1"])
def test_file_that_describes_nothing_is_refused(tmp_path, text):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ValueError, match="x.yaml"):
        Folder("", tmp_path / "x.yaml")


def test_missing_description_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no .*x.yml"):
        build_dataset(str(tmp_path / "x.yml"))


def test_list_with_a_wrong_line_is_refused(tmp_path):
    path = write_folder(tmp_path, TRAIN, VAL)
    (tmp_path / "val.txt").write_text("images/val/v.jpg")
    change(path, "{images: images/val, masks: masks/val}", "val.txt")
    with pytest.raises(ValueError, match="val.txt: each line must name an image and its mask"):
        Folder("", path).samples("val")


def test_masks_of_one_name_in_two_folders_are_refused(tmp_path):
    path = write_folder(tmp_path, TRAIN, VAL)
    write_mask(tmp_path / "masks/more/v.png", [1])
    change(path, "masks: masks/val", "masks: 'masks/*/*'")
    write_mask(tmp_path / "masks/train/v.png", [1])
    with pytest.raises(ValueError, match="masks of the same name"):
        Folder("", path).samples("val")


def test_shipped_camvid_description_fits_the_data_set(tmp_path):
    from pathlib import Path

    names = CLASSES
    (tmp_path / "classes.txt").write_text("\n".join(names))
    for split in ("train", "val", "test"):
        write_image(tmp_path / f"images/{split}/x.jpg")
        write_mask(tmp_path / f"annotations/{split}/x.png", [0, 11])
    dataset = Folder(tmp_path, Path(__file__).parent.parent / "data/camvid.yaml")
    assert dataset.class_names == tuple(names) and dataset.tasks == ("6-5", "6-1", "8-3")
    image, labels = dataset.read(dataset.samples(dataset.test_split)[0])
    assert torch.equal(labels.unique(), torch.tensor([0, 11], dtype=torch.uint8))
    assert dataset.palette[names.index("road")].tolist() == [128, 64, 128]
