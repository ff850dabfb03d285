"""Values chosen on held-out training images, and what a table over seeds says of differences."""

import json

import pytest

from scripts import compare, search
from scripts.comparison_table import differences, interval
from tests.conftest import SMALL


def runs(*scores: float, seed: int = 1, share: float = 0.2, images: str = "8 (abc)") -> list[list[dict]]:
    """A run per score, with seeds from `seed` on."""
    test = {"view": {"val_share": share}, "images": images}
    return [
        [{"scores": {"miou_all": score}, "config": {"seed": seed + number}, "test": test}]
        for number, score in enumerate(scores)
    ]


def test_a_grid_is_flags_with_values_one_or_several_words_each():
    words = ["loss_kd=1,10", "lr=0.01 0.001, 0.1", "--init_balanced=true,false"]
    grid = search.read_grid(words, ["FT", "MiB"])
    assert grid["lr"] == ["0.01 0.001", "0.1"]
    assert [search.in_words(one) for one in search.combinations(grid, "FT")] == ["lr 0.01 0.001", "lr 0.1"]
    combined = search.combinations(grid, "MiB")
    assert len(combined) == 8 and len(search.combinations(grid, "joint")) == 2
    assert search.words_of(combined[1]) == ["--loss_kd", "1", "--lr", "0.01", "0.001", "--no-init_balanced"]
    assert search.folder_name(combined[1]) == "loss_kd1_lr0.01-0.001_init_balancedfalse"


@pytest.mark.parametrize(
    ("word", "said"),
    [("loss_kd", "flag=value"), ("lr=", "flag=value"), ("los_kd=1", "did you mean loss_kd"),
     ("num_workers=0,1", "nothing to choose"), ("pod_factor=1,2", "unknown flag")],
)  # fmt: skip
def test_a_grid_that_is_none_is_refused_with_what_helps(word, said):
    with pytest.raises(ValueError, match=said):
        search.read_grid([word], ["FT", "MiB"])


def test_the_best_mean_over_seeds_is_chosen_for_each_method():
    low, high = (("lr", "0.1"),), (("lr", "0.01"),)
    tried = {("FT", low): runs(0.9, 0.1), ("FT", high): runs(0.6, 0.5), ("MiB", low): runs(0.3, 0.3),
             ("MiB", high): runs(0.3, 0.3)}  # fmt: skip
    chosen = search.choose(tried)
    assert chosen == {"FT": high, "MiB": low}
    text = search.chosen_lines(tried, chosen)
    assert "20 % of the training images (8), on which no run of the search trained" in text
    assert "- FT: lr 0.1: 50.0 +- 56.6; lr 0.01: 55.0 +- 7.1 (chosen)" in text


@pytest.mark.parametrize("other", [{"images": "9 (def)"}, {"share": 0.0}])
def test_a_choice_by_other_images_or_by_test_images_is_refused(other):
    with pytest.raises(ValueError, match="different images"):
        search.choose({("FT", ()): runs(0.5), ("MiB", ()): runs(0.5, **other)})


def test_differences_are_of_equal_seeds_with_students_interval():
    text = differences({"FT": runs(0.1, 0.2, 0.3), "MiB": runs(0.4, 0.3, 0.2, seed=2), "PLOP": runs(0.5)})
    assert text.splitlines()[-1] == "| MiB - FT | +10.0 | -117.1 to +137.1 | 2 |"  # seeds 2, 3: +20, +0
    assert "PLOP" not in text, "one pair of runs says nothing of the spread"
    assert differences({"FT": runs(0.1)}) == ""


def test_the_interval_is_that_of_a_table():
    # mean 2, standard deviation 1, n = 3: 2 +- 4.303 / sqrt(3)
    assert interval([1.0, 2.0, 3.0]) == "-0.5 to +4.5"
    assert interval([2.0, 2.0]) == "+2.0 to +2.0"


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--grid", "lr=1,2"], "--val_share 0.2"), (["--val_share", "0.2"], "is for --grid")],
)
def test_values_are_never_chosen_without_a_share_of_their_own(words, said, tmp_path, capsys):
    assert compare.main(["--methods", "FT", "--out", str(tmp_path), *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_a_search_chooses_on_the_share_and_runs_what_it_chose_on_all(small_data, tmp_path, capfd):
    out = tmp_path / "out"
    words = ["--methods", "MiB", "--grid", "loss_kd=1,20", "--val_share", "0.25", "--out", str(out)]
    words += ["--jobs", "2", "--", "--dataset", str(small_data), "--task", "4-1", *SMALL]
    assert compare.main(words) == 0, capfd.readouterr()
    table = (out / "table.md").read_text()
    assert "| MiB |" in table and "(chosen)" in table and "(10)" in table
    assert "| MiB, loss_kd 20 |" in (out / "search.md").read_text()
    searched = [json.loads(file.read_text()) for file in out.glob("search/results/*/*/step_2.json")]
    final = [json.loads(file.read_text()) for file in out.glob("results/*/*/step_2.json")]
    assert len(searched) == 2 and {run["test"]["view"]["val_share"] for run in searched} == {0.25}
    assert len(final) == 1 and {run["test"]["images"].split()[0] for run in final} == {"12"}
    assert len(list(out.glob("search/checkpoints/shared_step0/*.pt"))) == 1, "loss_kd does not touch step 0"
