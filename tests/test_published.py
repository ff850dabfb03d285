"""The published numbers: one schema, one place, and nothing that contradicts itself unsaid."""

import pytest

from config import published, recipes
from config.published import (
    COLUMNS,
    JOINT,
    UNKNOWN,
    discrepancy,
    harmonic_mean,
    published_for,
    read_published,
)
from dataset import DATASETS
from methods import METHODS
from models import BACKBONES
from tests.conftest import ROOT

NUMBERS = read_published()
RECIPES = {row.name: row for row in recipes.rows()}
TOTAL = {"voc": 20, "ade": 150}  # classes without background


def test_every_line_has_the_schema_and_its_recipes_are_about_it():
    assert len(NUMBERS) > 380 and (ROOT / "data" / "published.csv").is_file()
    for one in NUMBERS:
        assert one.dataset in DATASETS and (one.year == 0 or 2015 < one.year < 2030)
        assert one.year or one.method in ("FT", JOINT), one
        for name in one.recipe:
            row = RECIPES[name]
            assert (one.dataset, one.setting) == (row.dataset, row.setting), name
            on_masks = row.values.get("head") == "mask"
            backbone = row.backbone.replace("timm:", "mask2former:") if on_masks else row.backbone
            assert one.method.removesuffix(" alone") == row.method and one.backbone == backbone, name
            assert recipes.lookup(one.dataset, one.task) == recipes.lookup(row.dataset, row.task), name


def test_no_number_stands_twice_and_methods_have_the_names_of_the_program():
    keys = [
        tuple(getattr(one, name) for name in COLUMNS if name not in ("note", "recipe")) for one in NUMBERS
    ]
    assert len(set(keys)) == len(keys)
    upper = {name.upper(): name for name in METHODS}
    for one in NUMBERS:
        assert upper.get(one.method.upper(), one.method) == one.method
        known = one.backbone in (*BACKBONES, UNKNOWN) or one.backbone.startswith(("timm:", "mask2former:"))
        assert known or one.backbone == "segformer_b2"


def test_all_follows_from_old_and_new_in_the_convention_or_the_line_says_that_it_does_not():
    wrong = {}
    for one in NUMBERS:
        if one.dataset in TOTAL:
            old = int(one.task.split("-")[0])
            off = discrepancy(one, (old, TOTAL[one.dataset] - old))
            wrong[one] = off is not None and abs(off) > 0.2
    assert sum(wrong.values()) >= 4
    for one, off in wrong.items():
        assert off == ("does not follow" in one.note), one


def test_harmonic_means_are_the_published_ones_or_those_of_old_and_new():
    (plop,) = [one for one in NUMBERS if one.recipe == ("voc/plop_15-5-overlap",) and one.all == 70.09]
    assert harmonic_mean(plop) == pytest.approx(2 * 75.73 * 51.71 / (75.73 + 51.71))
    (dkd,) = [one for one in NUMBERS if one.recipe == ("voc/dkd_15-5-overlap",) and one.hiou]
    assert harmonic_mean(dkd) == 67.17


def test_a_recipe_has_the_first_line_that_names_it_and_the_others_beside_it():
    about = published_for("voc/plop_15-1-overlap")
    assert about == {"old": 65.12, "new": 21.11, "all": 54.64, "avg": 67.21, "convention": "I",
                     "source": "PLOP images/plop_voc.png", "also": [54.68, 56.4]}  # fmt: skip
    assert published_for("voc/eir_15-1-overlap") == {}
    assert RECIPES["voc/plop_15-1-overlap"].published == about | {"step0": [80.4, 0.8]}


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [("convention", "Y", "convention is 'Y'"), ("all", "high", "could not"),
     ("all", "101", "per cent"), ("memory", "few", "memory is a number"), ("source", "", "lacks a value"),
     ("evidence", "hearsay", "one of table"), ("colour", "red", "must have the columns")],
)  # fmt: skip
def test_a_wrong_line_is_refused_with_its_place(tmp_path, column, value, says):
    good = dict(
        zip(COLUMNS, (ROOT / "data/published.csv").read_text().splitlines()[1].split(","), strict=True)
    )
    good[column] = value
    path = tmp_path / "published.csv"
    path.write_text(",".join(good) + "\n" + ",".join(good.values()) + "\n")
    with pytest.raises(ValueError, match=says) as error:
        published.read_published(path)
    assert str(path) in str(error.value)
