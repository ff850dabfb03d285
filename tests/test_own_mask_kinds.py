"""Masks of own data of several pages, channels and kinds of files: read as said, or refused with the key."""

import numpy as np
import pytest
from PIL import Image

from dataset.folder import Folder
from tests.own_trees import first_row, save, scanned, stripes, tree
from tests.test_dataset_tiff import tiff
from utils.decoding.decode import BadFileError

COLOURS = {"a": (128, 0, 0), "b": (0, 128, 0), "void": (255, 255, 255)}
PAINTED = stripes([COLOURS["a"], COLOURS["b"], COLOURS["void"]])
TABLE = "colors: {a: [128, 0, 0], b: [0, 128, 0], void: [255, 255, 255]}\nbackground: false"


def pages(path, *arrays):
    first, *rest = map(Image.fromarray, arrays)
    first.save(path, save_all=True, append_images=rest)


def test_masks_of_several_pages_need_a_word(tmp_path):
    path = tree(tmp_path, [stripes([0, 1])], ending=".tif")
    layers = [stripes([0, 255, 0]), stripes([0, 0, 255])]
    pages(tmp_path / "masks/train/0.tif", *layers)
    with pytest.raises(BadFileError, match=r"has 2 pages: give page: 0 .* or page: \[a, b, \.\.\]"):
        scanned(path)
    text = path.read_text()
    path.write_text("page: [a, b]\n" + text)
    assert first_row(path) == [0, 1, 2]
    pages(tmp_path / "masks/train/0.tif", stripes([9]), stripes([2, 1]))
    path.write_text("page: 1\n" + text)
    assert first_row(path) == [2, 1]
    path.write_text("page: 2\n" + text)
    with pytest.raises(BadFileError, match=r"has pages 0\.\.1"):
        first_row(path)


def test_grey_masks_in_three_channels_need_a_word(tmp_path):
    pixels = np.repeat(stripes([0, 1, 2])[..., None], 3, axis=2)
    with pytest.raises(BadFileError, match="grey values in 3 channels: give channel: 0"):
        scanned(tree(tmp_path / "1", [pixels]))
    assert first_row(tree(tmp_path / "2", [pixels], "channel: 0")) == [0, 1, 2]


def test_grey_masks_with_opacity_need_the_same_word(tmp_path):
    path = tree(tmp_path, [stripes([0, 1])])
    Image.fromarray(stripes([0, 1])).convert("LA").save(tmp_path / "masks/train/0.png")
    with pytest.raises(BadFileError, match="grey values in 2 channels: give channel: 0"):
        scanned(path)
    save(tmp_path / "masks/val/0.png", stripes([(0, 0), (1, 255)]))
    path.write_text("channel: 0\n" + path.read_text())
    assert first_row(path) == [0, 1]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_tiff_masks_are_turned_as_they_say_and_not_if_told_so(tmp_path, orientation):
    turns = {1: 0, 3: 2, 6: -1, 8: 1}[orientation]
    for word, want in (("turned", np.rot90(stripes([0, 1]), turns)), ("stored", stripes([0, 1]))):
        options = {"ending": ".tif", "tiffinfo": {274: orientation}}
        path = tree(tmp_path / word, [stripes([0, 1])], f"exif: {word}", **options)
        dataset = Folder("", path)
        assert np.array_equal(dataset.read_mask(dataset.samples("train")[0]).numpy(), want)


def test_tiff_masks_whose_0_is_white_are_read_as_stored(tmp_path):
    path = tree(tmp_path, [stripes([0, 1])], ending=".tif")
    (tmp_path / "masks/train/0.tif").write_bytes(tiff(stripes([0, 1, 2]), bits=8, photometric=0))
    assert first_row(path) == [0, 1, 2]


def test_what_masks_hold_for_each_class_is_known(tmp_path):
    def stored(number, keys, classes="[background, a, b]"):
        return Folder("", tree(tmp_path / str(number), [stripes([0])], keys, classes=classes)).stored

    assert stored(1, "") == {0: 0, 1: 1, 2: 2, 255: 255}
    assert stored(2, "ignore: 0") == {0: 1, 1: 2, 2: 3, 255: 255}
    assert stored(3, "values: {9: a, 7: a, 8: background}") == {0: 8, 1: 9, 2: 0}
    assert stored(4, "divide_by: 1000\nignore: 65535") == {0: 0, 1: 1000, 2: 2000, 255: 255}
    colours = stored(5, TABLE, "[a, b]")
    assert colours == {0: (128, 0, 0), 1: (0, 128, 0), 255: (255, 255, 255)}


def test_films_are_no_masks(tmp_path):
    path = tree(tmp_path, [stripes([0, 1])])
    pages(tmp_path / "masks/train/0.png", stripes([0, 1]), stripes([1, 0]))
    with pytest.raises(BadFileError, match="has 2 pages"):
        scanned(path)


def test_one_channel_per_class_and_panoptic_numbers(tmp_path):
    layers = np.dstack([stripes([0, 255, 0]), stripes([0, 0, 255]), stripes([0])])
    assert first_row(
        tree(tmp_path / "1", [layers], "channel: [a, b, c]", classes="[background, a, b, c]")
    ) == [0, 1, 2]
    pixels = stripes([(0, 0, 0), (232, 3, 0), (208, 7, 0)])  # 0, 1000, 2000
    path = tree(tmp_path / "2", [pixels], "channel: panoptic\ndivide_by: 1000")
    assert first_row(path) == [0, 1, 2]


def test_floating_point_masks_need_names_for_their_values(tmp_path):
    pixels = stripes([0, 2], dtype=np.float32)
    with pytest.raises(
        BadFileError, match=r"whole numbers as float32: say what they mean by values: \{0: NAME"
    ):
        scanned(tree(tmp_path / "1", [pixels], ending=".tif"))
    path = tree(tmp_path / "2", [pixels], "values: {0: background, 1: a, 2: b}", ending=".tif")
    assert first_row(path) == [0, 2]
    save(tmp_path / "2/masks/train/0.tif", pixels + 0.25)
    with pytest.raises(BadFileError, match="no whole numbers"):
        scanned(path)


def test_jpeg_masks_need_a_word_and_values_far_apart(tmp_path):
    pixels = stripes([0, 255])
    options = {"classes": "[background, cell]", "ending": ".jpg"}
    with pytest.raises(BadFileError, match=r"0\.jpg is a JPEG .* lossy: nearest"):
        scanned(tree(tmp_path / "1", [pixels], "values: {0: background, 255: cell}", **options))
    keys = "values: {0: background, 255: cell}\nlossy: nearest"
    path = tree(tmp_path / "2", [pixels], keys, quality=30, **options)
    assert first_row(path) == [0, 1]
    with pytest.raises(ValueError, match="0 and 1 lie too close together"):
        Folder("", tree(tmp_path / "3", [pixels], "lossy: nearest", **options))


def test_jpeg_masks_of_colours_take_the_nearest_one(tmp_path):
    path = tree(
        tmp_path,
        [PAINTED],
        TABLE + "\nlossy: nearest",
        classes="[a, b]",
        ending=".jpg",
        quality=90,
        subsampling=0,
    )
    assert set(first_row(path)) >= {0, 1, 255}


def test_jpeg_compressed_tiff_is_as_lossy(tmp_path):
    path = tree(tmp_path, [stripes([0, 1])], ending=".tif", compression="jpeg")
    with pytest.raises(BadFileError, match="compression may blur labels"):
        scanned(path)
