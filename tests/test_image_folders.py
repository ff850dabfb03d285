"""Folders of pictures with one label each: what a label map of one pixel goes through."""

import random

import numpy as np
import pytest
import torch
from PIL import Image

from data import textures
from dataset import build_dataset, first_task
from dataset.cache import cached
from dataset.images import CroppedImages, TrainImages
from dataset.increment import increment_data
from dataset.resize import resize
from dataset.transform import central_crop, crop_box, train_crop
from tasks import make_step

TABLE = np.arange(256, dtype=np.uint8)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Folders of textures: 6 classes of 3 + 2 pictures."""
    place = tmp_path_factory.mktemp("textures")
    textures.write(place, num_train=3, num_val=2)
    return place


def test_classes_are_the_folders_in_the_order_of_their_names(root):
    dataset = build_dataset("image_folders", root)
    assert dataset.class_names == ("checks", "plain", "rays", "rings", "spirals", "stripes")
    assert not dataset.has_background
    samples = dataset.samples("train")
    assert [sample.id for sample in samples[2:4]] == ["checks/0002.png", "plain/0000.png"]
    assert [int(dataset.read_mask(sample)) for sample in samples] == [k for k in range(6) for _ in range(3)]


def test_a_label_is_one_pixel_from_the_file_to_the_batch(root):
    dataset = build_dataset("image_folders", root)
    samples = dataset.samples("train")
    train = TrainImages(dataset, samples, TABLE, size=24, seed=0)
    for images, keys in ((train, [(0, 4), (1, 4)]), (CroppedImages(dataset, samples, TABLE, size=24), [4])):
        for key in keys:
            image, label = images[key]
            assert image.shape == (3, 24, 24)
            assert label.shape == (1, 1) and int(label) == 1


def test_steps_see_the_pictures_of_their_classes(root, tmp_path):
    dataset = build_dataset("image_folders", root)
    data = increment_data(dataset, make_step(dataset, "2-2", 1), cache_dir=tmp_path)
    assert {sample.id.split("/")[0] for sample in data.samples("train")} == {"rays", "rings"}
    assert {int(data.train[0, k][1]) for k in range(len(data.train))} == {2, 3}
    assert data.num_images == {"train": 6, "val": 4, "test": 8}
    with pytest.raises(ValueError, match="--cache keeps pictures with masks, and image_folders has none"):
        cached(data, "ram")


def test_crops_are_drawn_and_tests_look_as_on_imagenet(root):
    dataset = build_dataset("image_folders", root)
    image, label = dataset.read(dataset.samples("val")[0])
    seen, _ = central_crop(image, label, 28, margin=dataset.view_margin)
    height, width = image.shape[1:]
    resized = resize(image, *(32, 32 * width // height) if height <= width else (32 * height // width, 32))
    top, left = (round((side - 28) / 2) for side in resized.shape[1:])
    assert torch.equal(seen, resized[:, top : top + 28, left : left + 28])

    crop, _ = train_crop(image, label, 24, random.Random(1), area=dataset.crop_area)
    rng = random.Random(1)
    top, left, height, width = crop_box(rng, image.shape[2], image.shape[1], area=(0.08, 1.0))
    own = resize(image[:, top : top + height, left : left + width], 24, 24)
    assert torch.equal(crop, own.flip(-1) if rng.random() < 0.5 else own)


@pytest.mark.parametrize(
    ("name", "spoil", "says"),
    [
        ("image_folders", lambda root: root / "train", "has no train/<class>/ folders"),
        ("imagenet100", lambda root: root, "has 2 folders of classes, not 100: .* --dataset image_folders"),
        ("image_folders", lambda root: (root / "val" / "b").rename(root / "c").parent, "no folder .*/val/b"),
    ],
)
def test_what_is_no_such_folder_is_refused_with_a_cure(tmp_path, name, spoil, says):
    for split in ("train", "val"):
        for kind in "ab":
            (tmp_path / split / kind).mkdir(parents=True)
            Image.new("RGB", (2, 2)).save(tmp_path / split / kind / "x.png")
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        build_dataset(name, spoil(tmp_path)).samples("val")


def test_a_picture_of_one_pixel_is_named(tmp_path):
    for split in ("train", "val"):
        (tmp_path / split / "a").mkdir(parents=True)
    Image.new("RGB", (1, 1)).save(tmp_path / "train" / "a" / "dot.png")
    dataset = build_dataset("image_folders", tmp_path)
    with pytest.raises(ValueError, match=r"dot\.png is a single pixel"):
        dataset.read(dataset.samples("train")[0])


def test_the_first_task_is_the_announced_one_or_has_to_be_named():
    assert first_task("imagenet100") == "50-10"
    with pytest.raises(ValueError, match=r"names no tasks: choose one with --task.*\(all at once\)$"):
        first_task("image_folders")
