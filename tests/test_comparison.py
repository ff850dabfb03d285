"""What a run says of itself beside the published numbers."""

import pytest

from config.published_numbers import band, compare
from config.recipes import rows

ROWS = {row.name: row for row in rows()}
VALUES = {"seed": 42, "index_dir": "", "no_pretrained": False, "pretrained_path": "resnet101"}


def result(step, num_steps, *, all=0.5, old=0.5, new=None, foreground=0.4, images=1449):
    scores = {"miou_all": all, "miou_old": old, "miou_new": new}
    scores |= {"miou_all_foreground": foreground, "miou_old_foreground": foreground}
    over = {"average_miou": all, "average_miou_foreground": foreground}
    return {"step": step, "num_steps": num_steps, "scores": scores, "over_steps": over, "images": images}


def values(row, **changed):
    return {**row.values, **VALUES, **changed}


def test_a_good_run_is_inside_and_a_bad_one_outside_of_the_band():
    row = ROWS["voc/plop_15-1-overlap"]
    base = result(0, 6, all=0.803)
    good = compare([base, result(5, 6, all=0.56, old=0.65, new=0.21)], row, values(row))
    assert "step 0: 80.30 (80.40 +- 0.8), inside" in good
    assert "all+bg 56.00 (54.64)" in good
    assert "all is -0.40 from the nearest published value, inside +- 2.5" in good
    assert "background counts as an old class" in good
    bad = compare([base, result(5, 6, all=0.40)], row, values(row))
    assert "OUTSIDE +- 2.5" in bad


def test_a_row_without_background_is_compared_without_it():
    row = ROWS["voc/mib_15-1-overlap"]
    text = compare([result(5, 6, all=0.9, foreground=0.30, new=0.1)], row, values(row))
    assert "all-bg 30.00 (29.7)" in text and "background is left out" in text


def test_what_was_done_differently_is_listed():
    row = ROWS["voc/mib_15-1-overlap"]
    mine = values(row, batch_size=12, lr=[0.01, 0.001, 0.001], no_pretrained=True)
    text = compare([result(0, 6, all=0.5)], row, mine)
    assert "step 0, which later steps build on, is off already" in text
    assert "batch_size 12, not 24" in text and " lr " not in text
    assert "random weights" in text and "one seed (42)" in text
    assert "maybe over one of 2 GPUs" in text


def test_a_run_that_is_not_over_says_nothing_of_the_last_step():
    row = ROWS["voc/plop_15-1-overlap"]
    text = compare([result(0, 6, all=0.80), result(1, 6)], row, values(row))
    assert "step 0" in text and "nearest" not in text


def test_rows_without_published_numbers_say_nothing():
    row = ROWS["voc/eir_15-1-overlap"]
    assert compare([result(0, 6), result(5, 6)], row, values(row)) == ""


def test_domains_name_the_leaking_split():
    row = ROWS["cityscapes/rcil_11-1"]
    assert "--leaky_split" in compare([result(10, 11, images=703)], row, values(row))
    assert "--leaky_split" not in compare([result(10, 11, images=703)], row, values(row, leaky_split=True))


@pytest.mark.parametrize(
    ("name", "steps", "width"),
    [("voc/plop_15-5-overlap", 2, 1.0), ("voc/plop_15-1-overlap", 6, 2.5), ("voc/plop_10-1-overlap", 11, 4.0),
     ("ade/plop_100-50-overlap", 2, 2.5)],
)  # fmt: skip
def test_bands_are_those_of_the_targets(name, steps, width):
    assert band(ROWS[name], steps) == width
