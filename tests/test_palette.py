"""Colours of one's own classes in pictures."""

import numpy as np
import pytest

from dataset.base import voc_palette
from dataset.folder import Folder
from tests.own_trees import stripes, tree
from utils.labels import IGNORE
from utils.pictures.palette import borders, tell_apart, unlike

VOID = (224, 224, 192)


def test_colours_that_only_red_and_green_tell_apart_are_alike():
    one, other, blue = (np.array([colour]) for colour in ((150, 75, 0), (85, 107, 0), (0, 0, 255)))
    assert unlike(one, other) < 0.3 * unlike(one, blue)
    assert unlike(np.array([[0, 0, 0]]), np.array([[255, 255, 255]]))[0, 0] == pytest.approx(1, abs=1e-3)


def test_borders_are_counted_once_from_each_side_and_void_is_no_class():
    assert borders([np.array([[0, 1, IGNORE, 2], [0, 1, 1, 2]])], 3).tolist() == [
        [0, 2, 0],
        [2, 0, 1],
        [0, 1, 0],
    ]


def test_all_colours_differ_and_neighbours_differ_most():
    shares = np.zeros((12, 12))
    for label in range(11):  # a street: every class touches the next
        shares[label, label + 1] = shares[label + 1, label] = 10
    chosen = tell_apart(shares, {0: (0, 0, 0), IGNORE: VOID})
    assert chosen[0] == (0, 0, 0) and IGNORE not in chosen and len(set(chosen.values())) == 12
    colours = np.array([chosen[label] for label in range(12)])
    apart = unlike(colours, colours)
    voc = voc_palette()[:12]
    beside = [apart[label, label + 1] for label in range(11)]
    assert min(beside) > 2 * min(unlike(voc, voc)[label, label + 1] for label in range(11))
    assert np.mean(beside) > np.mean(apart[np.triu_indices(12, 2)])
    assert apart[np.triu_indices(12, 1)].min() > 0.1


def test_254_classes_get_a_colour_each():
    assert len(tell_apart(np.zeros((254, 254)), {IGNORE: VOID})) == 254


def test_own_classes_get_colours_unlike_their_neighbours_and_those_that_draw_names(tmp_path):
    path = tree(tmp_path, [stripes([0, 1, 2])], "draw: {b: '#0a141e', void: [1, 2, 3]}")
    palette = Folder("", path).palette
    assert palette[[0, 2, IGNORE]].tolist() == [[0, 0, 0], [10, 20, 30], [1, 2, 3]]
    assert unlike(palette[[1]], palette[[0, 2]]).min() > 0.5
    assert Folder("", path).palette.tolist() == palette.tolist()


def test_draw_wins_over_the_colours_of_masks_and_names_what_it_does_not_know(tmp_path):
    path = tree(
        tmp_path, [stripes([0, 1, 2])], "draw: {a: [7, 8, 9]}", palette=[0, 0, 0, 200, 0, 0, 0, 200, 0]
    )
    assert Folder("", path).palette[:3].tolist() == [[0, 0, 0], [7, 8, 9], [0, 200, 0]]
    path.write_text(path.read_text().replace("{a:", "{aa:"))
    with pytest.raises(ValueError, match="unknown class in .*draw.*did you mean a"):
        Folder("", path)
    path.write_text(path.read_text().replace("[7, 8, 9]", "[7, 8]"))
    with pytest.raises(ValueError, match=r"has the colour \[7, 8\] for aa"):
        Folder("", path)
