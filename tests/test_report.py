"""The report: what is averaged, what is compared, and a page that needs nothing else."""

import base64
import csv
import io
import json
import re
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
import torch
from PIL import Image

from analysis import report
from analysis.report_published import published_values
from analysis.report_rows import stat
from analysis.report_runs import read_runs
from analysis.report_settings import make_settings
from analysis.report_tables import Cell, Table, latex, letter, markdown, overview, score_table
from metrics import ConfusionMatrix
from metrics.results import write_result
from tasks import Step
from utils.flags import DEFAULTS

GROUPS = ((0, 1, 2), (3,), (4,))
NAMES = ("background", "disc", "ring & rod", "plus", "star")
DATASET = SimpleNamespace(class_names=NAMES, skipped=())


def write_run(root, method, *, seed=42, right=0.8, groups=GROUPS, steps=None, dataset="shapes", task="2-1",
              shared=100, seconds=10.0, trainable=1000, **config):  # fmt: skip
    """Result files of a run of which the share `right` of every class's pixels is right."""
    config = dict(DEFAULTS) | {"method": method, "seed": seed, "backbone": "tiny"} | config
    folder = (
        root
        / f"{dataset}_{task}_{config['setting']}"
        / "_".join(map(str, (method, *config.values(), right)))[:60]
    )
    folder = folder.with_name(f"{folder.name}_{len(list(folder.parent.glob('*')))}")
    for index in range(len(groups)) if steps is None else steps:
        step = Step(dataset, task, index, groups)
        matrix = ConfusionMatrix(step.num_seen)
        truth = torch.arange(step.num_seen).repeat_interleave(shared)
        guess = torch.where(
            torch.arange(len(truth)) % shared < right * shared, truth, (truth + 1) % step.num_seen
        )
        matrix.update(truth.view(1, 1, -1), guess.view(1, 1, -1))
        cost = {"seconds": seconds, "images": 10, "images_trained": 20, "peak_memory_bytes": 0,
                "trainable_parameters": trainable, "finetuning_parameters": 1000}  # fmt: skip
        content = {
            "method": method,
            "config": config,
            "cost": cost,
            "versions": {"device": "cpu", "git": "abc"},
        }
        write_result(folder, matrix, step, DATASET, content, num_images=1)
    return folder


def joint(root, **options):
    return write_run(root, "FT", groups=(tuple(range(5)),), task="offline", **options)


def settings_of(root):
    return make_settings(read_runs([root]))


@pytest.fixture
def results(tmp_path):
    """Two methods, one of them with two seeds, and joint training."""
    root = tmp_path / "results"
    write_run(root, "FT", right=0.3)
    write_run(root, "DFT*", right=0.6, trainable=10)
    write_run(root, "DFT*", right=0.8, trainable=10, seed=1)
    joint(root, right=0.9)
    return root


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


# -- the program -------------------------------------------------------------------------------------------
@pytest.fixture
def written(results, tmp_path):
    write_run(results, "MiB", setting="disjoint")
    out = tmp_path / "out"
    assert report.cli([str(results), "--out", str(out)]) == 0
    return out


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_every_file_is_written_and_csv_is_tidy(written):
    assert {path.name for path in written.iterdir()} == {
        "report.html", "results.md", "results.tex", "results.csv", "runs.csv", "classes.csv",
    }  # fmt: skip
    numbers = rows_of(written / "results.csv")
    (line,) = [line for line in numbers if (line["method"], line["number"]) == ("DFT*", "all")]
    assert line["seeds"] == "2" and float(line["std"]) > 0 and line["best"] == "True"
    assert len(rows_of(written / "runs.csv")) == 6  # joint training stands beside both settings
    stars = [
        line
        for line in rows_of(written / "classes.csv")
        if line["class"] == "star" and line["method"] == "FT"
    ]
    assert len(stars) == 1 and float(stars[0]["intransigence"]) > 0 and stars[0]["forgetting"] == ""


def tree(path):
    """The page as XML, which it is as well."""
    return ElementTree.fromstring(path.read_text(encoding="utf-8").replace("<!DOCTYPE html>", ""))


def tags(page, name):
    return [element for element in page.iter() if element.tag.endswith("}" + name) or element.tag == name]


def test_page_is_well_formed_and_loads_nothing(written):
    page = tree(written / "report.html")
    for element in page.iter():
        for name, value in element.attrib.items():
            if name.split("}")[-1] in ("href", "src", "srcset", "action", "data", "poster"):
                assert value.startswith(("data:", "#")), value
    style = "".join(element.text for element in tags(page, "style"))
    script = "".join(element.text for element in tags(page, "script"))
    assert "url(" not in style and "@import" not in style
    assert not re.search(r"fetch|XMLHttpRequest|import\(|https?:", script)


def test_every_link_and_name_on_the_page_has_its_place(written):
    page = tree(written / "report.html")
    ids = [element.get("id") for element in page.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert {link.get("href")[1:] for link in tags(page, "a")} <= set(ids)


def test_pictures_on_the_page_decode_and_are_described(written):
    page = tree(written / "report.html")
    images = tags(page, "image")
    assert len(images) == 9  # three steps of three rows
    for image in images:
        data = base64.b64decode(image.get("href").removeprefix("data:image/png;base64,"))
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.size in ((3, 3), (4, 4), (5, 5))
    assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in tags(page, "svg"))


def test_every_head_of_a_sortable_table_is_a_button_and_every_row_has_all_cells(written):
    tables = [
        table for table in tags(tree(written / "report.html"), "table") if table.get("class", "") != "map"
    ]
    assert tables
    for table in tables:
        assert "sortable" in table.get("class")
        head, *rows = tags(table, "tr")
        assert len(tags(head, "button")) == len(list(head)) and all(
            len(list(row)) == len(list(head)) for row in rows
        )


def test_page_serves_dark_and_light_paper_and_phones(written):
    style = "".join(element.text for element in tags(tree(written / "report.html"), "style"))
    for need in ("prefers-color-scheme: dark", "@media print", "max-width: 600px"):
        assert need in style
    variables = set(re.findall(r"var\((--\w+)\)", style))
    assert all(style.count(f"{name}:") == 3 for name in variables)  # light, dark and paper


def test_one_run_is_enough(tmp_path, capsys):
    write_run(tmp_path / "r", "FT", steps=(0,))
    assert report.cli([str(tmp_path / "r"), "--out", str(tmp_path / "o")]) == 0
    tree(tmp_path / "o" / "report.html")
    joint(tmp_path / "j")
    assert report.cli([str(tmp_path / "j"), "--out", str(tmp_path / "p")]) == 0
    assert "offline" in capsys.readouterr().out


def test_mistakes_are_answered_in_one_line(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "step_0.json").write_text("{")
    for word in ("none", "empty", "bad"):
        assert report.cli([str(tmp_path / word), "--out", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and str(tmp_path / word) in error
    assert not (tmp_path / "out").exists()
