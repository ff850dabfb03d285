"""The report as a program: its files, and a page that needs nothing else."""

import base64
import csv
import io
import re
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from analysis.report import __main__ as report
from analysis.report import published as report_published
from analysis.report.curves import level_name
from analysis.report.logged import loss_curves, samples, thinned
from analysis.report.runs import read_runs
from analysis.report.settings import make_settings
from analysis.report.tables import config_table
from experiment.events import Events
from tests.result_files import compared, joint, write_run


# -- the program -------------------------------------------------------------------------------------------
@pytest.fixture
def written(tmp_path):
    results = compared(tmp_path / "results")
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
                beside = element.tag.endswith("}a") and (written / unquote(value)).is_file()  # only followed
                assert value.startswith(("data:", "#")) or beside, value
    style = "".join(element.text for element in tags(page, "style"))
    script = "".join(element.text for element in tags(page, "script"))
    assert "url(" not in style and "@import" not in style
    assert not re.search(r"fetch|XMLHttpRequest|import\(|https?:", script)


def test_every_link_and_name_on_the_page_has_its_place(written):
    page = tree(written / "report.html")
    ids = [element.get("id") for element in page.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    links = [link.get("href") for link in tags(page, "a")]
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    files = [link for link in links if not link.startswith("#")]
    assert len(files) == 3 + 3 + 3 + 1 + 3 + 1 and all((written / unquote(link)).is_file() for link in files)


def test_rows_of_one_table_say_what_they_were_configured_with_where_they_differ(tmp_path):
    write_run(tmp_path, "FT", lr=[0.5], batch_size=8, name="mine")
    write_run(tmp_path, "MiB", lr=[0.25], batch_size=8, loss_kd=3.0)
    (setting,) = make_settings(read_runs([tmp_path]))
    table = config_table(setting)
    assert [cell.text for cell in table.rows[0]] in (["lr", "0.5", "0.25"], ["lr", "0.25", "0.5"])
    assert "batch_size" not in {row[0].text for row in table.rows}
    write_run(tmp_path / "alone", "FT")
    assert config_table(make_settings(read_runs([tmp_path / "alone"]))[0]) is None


@pytest.fixture
def logged(tmp_path, monkeypatch):
    """A run of three steps with its log beside the results, as the demo has them."""
    monkeypatch.chdir(tmp_path)
    folder = write_run(tmp_path / "results", "FT", logdir="elsewhere/logs")
    for step in range(3):
        events = Events(tmp_path / "logs" / folder.parent.name / folder.name / f"step_{step}")
        for epoch in range(2):
            events.scalar("epoch_loss/ce", 3.0 - step - epoch / 2, epoch)
            if step > 0:
                events.scalar("epoch_loss/kd", 0.25, epoch)
        events.picture("test/samples", np.full((40, 900, 3), 80 * step, np.uint8), step)
        events.close()
    return tmp_path


def test_a_run_with_a_log_shows_its_losses_and_sample_predictions(logged):
    assert report.cli([str(logged / "results"), "--out", str(logged / "out")]) == 0
    page = tree(logged / "out" / "report.html")
    (chart,) = [svg for svg in tags(page, "svg") if "losses of" in svg.get("aria-label", "")]
    titles = [title.text for title in tags(chart, "title")]
    assert [title for title in titles if title.startswith("ce")] == [
        f"ce, epoch {at}: {value:.1f}" for at, value in enumerate((3.0, 2.5, 2.0, 1.5, 1.0, 0.5))
    ]
    assert len([title for title in titles if title.startswith("kd")]) == 4
    (picture,) = tags(page, "img")
    data = base64.b64decode(picture.get("src").removeprefix("data:image/jpeg;base64,"))
    with Image.open(io.BytesIO(data)) as shown:
        assert shown.width == 640 and abs(shown.getpixel((5, 5))[0] - 160) < 4  # of the last step


def test_a_run_without_a_log_shows_neither(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "results", "FT")
    (run,) = read_runs([tmp_path / "results"])
    assert loss_curves(run) == samples(run) == ""


def test_long_curves_keep_few_points_and_their_end():
    points = thinned([(float(x), 0.0, None) for x in range(101)])
    assert len(points) <= 40 and points[-1][0] == 100


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


def test_the_name_of_a_level_covers_no_curve_that_it_can_avoid():
    flat, rising = [(50, 100), (420, 100)], [(50, 120), (420, 100)]
    (foot,) = re.findall(r' y="([^"]+)"', level_name("joint training", 104, [flat, rising]))
    assert float(foot) - 13 > 100 or float(foot) + 5 < 100  # neither through the one nor the other


def test_a_lone_level_has_its_name_over_its_right_end():
    assert 'text-anchor="end"' in level_name("joint training", 104, [])


def test_results_are_reported_without_published_values_if_recipes_are_broken(tmp_path, monkeypatch, caplog):
    def broken():
        raise ValueError("recipes.yaml cannot be read")

    monkeypatch.setattr(report_published, "rows", broken)
    report_published.known_rows.cache_clear()
    try:
        assert report.cli([str(compared(tmp_path / "results")), "--out", str(tmp_path / "out")]) == 0
    finally:
        report_published.known_rows.cache_clear()
    assert "no published values" in caplog.text and (tmp_path / "out" / "report.html").is_file()
