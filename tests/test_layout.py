"""Where the tiles of a picture of several networks stand."""

import numpy as np
from PIL import Image

from analysis.layout import Picture, arrange, distinct

AFTER = {0: "after step 0", 1: "after step 1 (+ car)"}


def answers(*runs, steps=2):
    """What runs say of an image: the same after step 0, something else later."""
    return {(run, step): (np.full((2, 2), step and number),) * 3
            for number, run in enumerate(runs, 1) for step in range(steps)}  # fmt: skip


def pictures(found, truth=True):
    """An image whose tiles are one pixel each, of the step's number."""
    tile = Image.new("RGB", (60, 40), (9, 9, 9))
    return [
        Picture("a", tile, tile if truth else None, lambda key: Image.new("RGB", (60, 40), (key[1],) * 3))
    ]


def test_a_step_0_that_runs_share_is_drawn_once():
    found = answers("FT", "MiB", "DFT*")
    networks = distinct([found])
    assert networks == {("FT", 0): ["FT", "MiB", "DFT*"], ("FT", 1): ["FT"], ("MiB", 1): ["MiB"],
                        ("DFT*", 1): ["DFT*"]}  # fmt: skip
    rows, titles, ruled = arrange(pictures(found), networks, AFTER)
    assert [len(row) for row in rows] == [6] and not ruled
    assert titles == [
        "image",
        "truth",
        "after step 0",
        *(f"{run}\nafter step 1 (+ car)" for run in found_runs(found)),
    ]


def found_runs(found):
    return list(dict.fromkeys(run for run, _ in found))


def test_networks_that_differ_in_one_image_are_both_drawn():
    one, other = answers("FT", "MiB"), answers("FT", "MiB")
    other["MiB", 0] = (np.full((2, 2), 7),) * 3
    assert ("MiB", 0) in distinct([one, other]) and ("MiB", 0) not in distinct([one, one])


def test_many_networks_get_a_row_per_run_and_little_of_it_is_white():
    found = answers("A", "B", "C", "D", steps=3)
    after = AFTER | {2: "after step 2"}
    rows, titles, ruled = arrange(pictures(found) * 2, distinct([found]), after)
    assert len(rows) == 8 and list(ruled) == [4] and len(titles) == len(rows[0]) == 5
    tiles = [tile for row in rows[:4] for tile in row[2:]]
    white = sum(tile.getpixel((0, 0)) == (255, 255, 255) for tile in tiles)
    assert white == 3  # step 0 of the three runs that share it with the first


def test_photos_without_a_truth_have_no_column_for_it():
    found = answers("FT")
    rows, titles, _ = arrange(pictures(found, truth=False), distinct([found]), AFTER)
    assert titles[:2] == ["image", "after step 0"] and len(rows[0]) == 3
