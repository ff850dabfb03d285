"""Picture grids: what is shown where, in which colour."""

import numpy as np
import pytest
from PIL import Image

from dataset.base import voc_palette
from utils.labels import IGNORE
from utils.pictures.segmentations import GAP, colour, comparison, save, tile, to_dataset_labels

PALETTE = voc_palette()
NAMES = ("background", "cat", "dog", "cow")


def grid(truth, predicted, **options):
    image = np.full((*truth.shape, 3), 77, np.uint8)
    options = {"class_names": NAMES, "palette": PALETTE, "side": 40} | options
    return comparison([image], [truth], {"FT": [predicted]}, **options)


def has_colour(picture, label):
    return (picture == PALETTE[label]).all(2).any()


def test_every_label_gets_its_colour_of_the_palette():
    labels = np.array([[0, 1], [2, IGNORE]])
    assert (colour(labels, PALETTE) == PALETTE[labels]).all()


def test_model_indices_turn_into_dataset_labels_and_void_stays():
    assert to_dataset_labels(np.array([[0, 2], [1, IGNORE]]), (0, 7, 3)).tolist() == [[0, 3], [7, IGNORE]]


def test_labels_are_enlarged_without_mixing_colours():
    labels = np.array([[0, 1], [2, 3]])
    enlarged = np.asarray(tile(colour(labels, PALETTE), 64))
    assert (enlarged == PALETTE[labels.repeat(32, 0).repeat(32, 1)]).all()


@pytest.mark.parametrize("shape", [(20, 40), (40, 20), (9, 90)])
def test_tiles_keep_the_shape_of_the_image(shape):
    made = tile(np.zeros((*shape, 3), np.uint8), 80)
    assert max(made.size) == 80
    assert abs(made.size[0] / made.size[1] - shape[1] / shape[0]) < 0.05 * shape[1] / shape[0]


def test_truth_and_predictions_lie_in_the_columns_after_the_image():
    picture = grid(np.full((8, 8), 1), np.full((8, 8), 2))
    row = picture[GAP + 22 + 20]  # through the middle of the tiles, which begin below one line of titles
    runs = [tuple(value) for i, value in enumerate(row) if i == 0 or (value != row[i - 1]).any()]
    white = (255, 255, 255)
    assert runs == [white, (77, 77, 77), white, tuple(PALETTE[1]), white, tuple(PALETTE[2]), white]


def test_legend_holds_the_labels_that_occur_and_no_other():
    truth = np.zeros((8, 8), int)
    truth[0] = IGNORE
    plain = grid(truth, np.full((8, 8), 3))
    assert all(has_colour(plain[-40:], label) for label in (0, 3, IGNORE))
    assert not any(has_colour(plain, label) for label in (1, 2))


def test_long_legends_take_several_lines():
    names = [f"class with a long name {label}" for label in range(30)]
    few = grid(np.zeros((6, 5), int), np.zeros((6, 5), int), class_names=names)
    many = grid(np.arange(30).reshape(6, 5), np.zeros((6, 5), int), class_names=names)
    assert many.shape[0] > few.shape[0] + 300
    assert many.shape[1] == few.shape[1]
    assert has_colour(many[few.shape[0] :], 29)


def test_images_of_different_sizes_share_a_grid():
    shapes = [(8, 8), (8, 16), (30, 10)]
    labels = [np.zeros(shape, np.uint8) for shape in shapes]
    images = [np.zeros((*shape, 3), np.uint8) for shape in shapes]
    picture = comparison(
        images, labels, {"a": labels, "b": labels}, class_names=NAMES, palette=PALETTE, side=50
    )
    assert picture.shape[1] == 4 * 50 + 5 * GAP and picture.dtype == np.uint8


def test_a_caption_adds_a_line_and_changes_no_tile():
    labels = np.ones((8, 8), np.uint8)
    plain, titled = grid(labels, labels), grid(labels, labels, caption="after step 2")
    assert titled.shape[0] == plain.shape[0] + 22
    assert (titled[GAP + 44 :] == plain[GAP + 22 :]).all()


def test_the_picture_is_as_wide_as_its_caption():
    labels = np.ones((8, 8), np.uint8)
    assert grid(labels, labels, caption="word " * 60).shape[1] > 1000


@pytest.mark.parametrize("images", [0, 2])
def test_columns_of_unequal_length_are_refused(images):
    labels = [np.zeros((4, 4), np.uint8)]
    pictures = [np.zeros((4, 4, 3), np.uint8)] * images
    with pytest.raises(ValueError, match="one entry per image"):
        comparison(pictures, labels, {"FT": labels}, class_names=NAMES, palette=PALETTE)


def test_saving_makes_the_folder_and_leaves_nothing_else(tmp_path):
    picture = grid(np.ones((8, 8), np.uint8), np.ones((8, 8), np.uint8))
    path = tmp_path / "new" / "grid.png"
    save(picture, path)
    save(picture, path)
    assert [file.name for file in path.parent.iterdir()] == ["grid.png"]
    with Image.open(path) as image:
        assert (np.asarray(image) == picture).all()
