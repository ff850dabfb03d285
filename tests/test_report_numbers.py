"""The report's numbers: what is averaged, what may be compared, what was published, how tables are made."""

import json

import pytest

from analysis.report.published import published_values
from analysis.report.rows import stat
from analysis.report.runs import read_runs
from analysis.report.settings import make_settings
from analysis.report.tables import Cell, Table, latex, letter, markdown, overview, score_table
from tests.result_files import compared, write_run


def settings_of(root):
    return make_settings(read_runs([root]))


@pytest.fixture
def results(tmp_path):
    return compared(tmp_path / "results")


# -- what is one row, and what may be compared -------------------------------------------------------------
def test_runs_that_differ_by_seed_alone_are_one_row_with_mean_and_sample_deviation(results):
    (setting,) = settings_of(results)
    row = setting.rows[0]
    own = sorted(
        json.loads(path.read_text())["scores"]["miou_all"] for path in results.glob("*2-1*/DFT*/step_2.json")
    )
    assert row.label == "DFT*" and len(row.runs) == 2
    assert row.of("all").mean == pytest.approx(sum(own) / 2)
    assert row.of("all").std == pytest.approx((own[1] - own[0]) / 2**0.5)
    assert setting.rows[1].of("all").std is None


def test_where_files_are_does_not_split_a_row_and_what_was_computed_does(tmp_path):
    write_run(tmp_path, "FT", checkpoint="/a", data_root="/b", pretrained_path="/x/tiny.pth")
    write_run(tmp_path, "FT", seed=1, checkpoint="/c", data_root="/d", pretrained_path="/y/tiny.pth")
    write_run(tmp_path, "FT", seed=1, lr=[0.5], pretrained_path="/y/tiny.pth")
    (setting,) = settings_of(tmp_path)
    labels = {row.label: len(row.runs) for row in setting.rows}
    assert sorted(labels.values()) == [1, 2] and "FT (lr 0.5)" in labels


def test_of_runs_of_one_seed_only_the_newest_counts_and_the_row_says_so(tmp_path):
    write_run(tmp_path / "a", "FT", right=0.2)
    write_run(tmp_path / "b", "FT", right=0.4)
    (setting,) = settings_of(tmp_path)
    assert len(setting.rows[0].runs) == 1 and "2 runs" in setting.rows[0].marks[0]


@pytest.mark.parametrize(
    "other", [{"protocol": "mib"}, {"setting": "disjoint"}, {"eval": "full"}, {"backbone": "x"}]
)
def test_unlike_settings_never_share_a_table(tmp_path, other):
    write_run(tmp_path, "FT")
    write_run(tmp_path, "DFT*", **other)
    assert [len(setting.rows) for setting in settings_of(tmp_path)] == [1, 1]


def test_results_on_other_test_labels_are_marked_and_win_nothing(tmp_path):
    write_run(tmp_path, "FT", right=0.3)
    write_run(tmp_path, "MiB", right=0.5)
    write_run(tmp_path, "PLOP", right=0.9, shared=50)
    (setting,) = settings_of(tmp_path)
    assert setting.best("all") == {"MiB"}
    assert any("other labels" in note for note in score_table(setting, "I").notes)


def test_an_unfinished_run_is_marked_and_wins_nothing(tmp_path):
    write_run(tmp_path, "FT", right=0.3)
    write_run(tmp_path, "MiB", right=0.5)
    write_run(tmp_path, "PLOP", right=0.9, steps=(0, 1))
    (setting,) = settings_of(tmp_path)
    assert setting.best("all") == {"MiB"} and setting.rows[-1].label == "PLOP"
    assert score_table(setting, "I").notes == ["after step 1 of 2"]


def test_without_an_earlier_step_there_is_no_average_and_no_forgetting(tmp_path):
    write_run(tmp_path, "FT", steps=(1, 2))
    row = settings_of(tmp_path)[0].rows[0]
    assert row.of("average") is None and row.of("forgetting") is None and row.of("all") is not None


def test_intransigence_is_what_joint_training_has_ahead_of_the_step_that_taught_a_class(results):
    (setting,) = settings_of(results)
    run = next(row for row in setting.rows if row.label == "FT").runs[0]
    top = json.loads(next(results.glob("*offline*/*/step_0.json")).read_text())["classes"]
    plus = top[3]["iou"] - run.results[1]["classes"][3]["iou"]
    star = top[4]["iou"] - run.results[2]["classes"][4]["iou"]
    assert setting.rows[-1].of("intransigence").mean == pytest.approx((plus + star) / 2)
    assert [row.label for row in setting.joint] == ["joint training"]
    old = [entry["iou"] for entry in top[:3]]
    assert setting.joint[0].of("old").mean == pytest.approx(sum(old) / 3)


def test_joint_training_under_another_protocol_stands_alone(results):
    write_run(results, "MiB", protocol="mib")
    settings = {setting.about["protocol"]: setting for setting in settings_of(results)}
    assert settings["plop"].joint and not settings["mib"].joint
    assert settings["mib"].rows[0].of("intransigence") is None


def test_best_is_lowest_for_costs_and_joint_training_does_not_compete(results):
    (setting,) = settings_of(results)
    assert setting.best("all") == {"DFT*"} and setting.best("trainable") == {"DFT*"}
    assert setting.best("seconds") == set()  # all alike


def test_a_mean_is_best_only_if_it_is_ahead_by_more_than_the_spread(tmp_path):
    for seed, right in ((42, 0.50), (1, 0.60)):
        write_run(tmp_path, "MiB", right=right, seed=seed)
        write_run(tmp_path, "FT", right=right - 0.05, seed=seed)
    (setting,) = settings_of(tmp_path)
    assert setting.best("all") == set()  # 0.05 ahead, and each deviates by 0.07
    for seed, right in ((42, 0.90), (1, 0.95)):
        write_run(tmp_path, "PLOP", right=right, seed=seed)
    (setting,) = settings_of(tmp_path)
    assert setting.best("all") == {"PLOP"}


# -- published values --------------------------------------------------------------------------------------
def voc(root, method, **options):
    return write_run(root, method, dataset="voc", task="15-5s", backbone="resnet101", **options)


def test_published_values_stand_beside_in_their_own_convention(tmp_path):
    voc(tmp_path, "MiB", right=0.5)
    (setting,) = settings_of(tmp_path)
    heads = score_table(setting, "I").heads
    counted, left_out = (score_table(setting, name).rows[0] for name in "IX")
    words = counted[heads.index("published, all")].text
    assert "29.7 (X, protocol mib)" in words and "29.29, 33.53 (I)" in words
    share = 100 * setting.rows[0].of("all").mean
    off = min((share - value for value in (29.29, 33.53)), key=abs)
    assert counted[heads.index("off by (band)")].text.startswith(f"{off:+.1f}".replace("-", "−"))
    fg = 100 * setting.rows[0].of("all_foreground").mean - 29.7
    assert left_out[heads.index("off by (band)")].text.startswith(f"{fg:+.1f}".replace("-", "−"))


def test_a_band_is_inside_at_its_edge_and_outside_beyond():
    about = {"method": "PLOP", "dataset": "voc", "task": "15-5s", "setting": "overlap"}
    about |= {"backbone": "resnet101", "protocol": "plop"}
    cell = next(cell for cell in published_values(about, 6) if cell.convention == "I")
    assert cell.band == 2.5 and cell.protocol == ""
    top = max(cell.every)
    assert cell.inside((top + 2.49) / 100) and not cell.inside((top + 2.51) / 100)


def test_heads_say_whether_background_counts_and_abbreviations_are_explained(tmp_path):
    voc(tmp_path, "MiB", right=0.5)
    (setting,) = settings_of(tmp_path)
    for name, mark in (("I", "+bg"), ("X", "-bg")):
        table = score_table(setting, name)
        assert table.heads[1:4] == [f"old{mark}", "new", f"all{mark}"]
        assert f"convention {name}: background" in table.title
        assert "I counts background" in table.key and table.key in markdown(table)


def test_a_setting_that_nobody_published_has_no_published_column(results):
    (setting,) = settings_of(results)
    assert "published, all" not in score_table(setting, "I").heads


# -- tables ------------------------------------------------------------------------------------------------
def test_overview_has_a_column_per_setting_and_the_best_in_bold(results):
    write_run(results, "FT", setting="disjoint")
    table = overview(settings_of(results), "I")
    assert len(table.heads) == 3 and "disjoint" in table.heads[1]
    best = [[cell.text for cell in row if cell.best] for row in table.rows]
    assert best[[row[0].text for row in table.rows].index("DFT*")] and sum(map(len, best)) == 1


def test_markdown_and_latex_keep_signs_that_mean_something_to_them():
    table = Table(
        "a_b & 5 %", ["method", "all"], [[Cell("DFT*|x", mark="a"), Cell("1.0 ± 0.1", best=True)]], ["50 %"]
    )
    text = markdown(table)
    assert "DFT\\*\\|x <sup>a</sup>" in text and "**1.0 ± 0.1**" in text and "<sup>a</sup> 50 %" in text
    text = latex(table, name="t")
    assert r"a\_b \& 5 \%" in text and r"\textbf{1.0 $\pm$ 0.1}" in text and r"$^{\mathrm{a}}$" in text
    assert text.count("{") == text.count("}")


def test_marks_go_on_after_z():
    assert [letter(number) for number in (0, 25, 26, 27)] == ["a", "z", "aa", "ab"]


def test_statistics_leave_out_what_does_not_exist():
    assert stat([None, None]) is None and stat([None, 0.5]).n == 1
