"""The report of long tasks, of methods with equal numbers, and of tiny numbers: everything is to be seen."""

import re

from analysis.report import __main__ as report
from analysis.report.curves import Series, coinciding, lines
from analysis.report.scatter import Point, scatter
from analysis.report.svg import linear
from tests.result_files import write_run

LONG = (tuple(range(3)), *((label,) for label in range(3, 20)))
POINTS = [(step, 50.0 - step, None) for step in range(51)]


def test_a_long_task_opens_no_matrix_and_lists_no_file_per_step(tmp_path):
    for method, right in (("FT", 0.3), ("DFT*", 0.3), ("MiB", 0.6)):
        write_run(tmp_path / "results", method, right=right, groups=LONG, task="2-1")
    assert report.cli([str(tmp_path / "results"), "--out", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    matrices = page[page.index("<h3>Confusion matrices") : page.index('<section id="runs"')]
    assert matrices.count("<details") == 3 and "<details open" not in matrices
    assert page.count("<summary>18 files</summary>") == 3
    assert page.count("; one curve: DFT* and FT") == 3  # of all, of old and of new classes
    assert "DFT* = FT</text>" in page
    assert "highest of old classes" in page and "highest of new classes" in page


def drawn(*series):
    return lines(series, title="", x_label="step", y_label="", x_ticks=[str(step) for step in range(51)])


def test_curves_that_coincide_take_turns_in_dashes_and_markers():
    near = [(x, mean + 0.1, None) for x, mean, _ in POINTS]
    half = [(x, mean / 2, None) for x, mean, _ in POINTS]
    series = [Series("A", 0, POINTS), Series("B", 1, near), Series("C", 2, half)]
    assert [[one.label for one in group] for group in coinciding(series)] == [["A", "B"], ["C"]]
    one, two, apart = re.findall(r"<g class=.*?</g>", drawn(*series))
    assert 'stroke-dasharray="9 9" stroke-dashoffset="0"' in one
    assert 'stroke-dasharray="9 9" stroke-dashoffset="-9"' in two
    assert 'stroke-dasharray=""' in apart
    places = [[number for number, look in enumerate(re.findall(r'fill="(currentColor|transparent)"', part))
               if look == "currentColor"] for part in (one, two, apart)]  # fmt: skip
    assert places[0] == list(range(0, 51, 6)) and places[1] == list(range(3, 51, 6))
    assert places[2] == list(range(0, 51, 3))
    assert one.count("<title>A = B, step ") == 51  # every point tells its value, marked or not


def test_curves_of_other_steps_do_not_coincide():
    assert len(coinciding([Series("A", 0, POINTS), Series("B", 1, POINTS[1:])])) == 2
    assert len(coinciding([Series("A", 0, []), Series("B", 1, [])])) == 1


def test_points_at_one_place_are_drawn_around_each_other_with_one_name():
    points = [Point("A", 0, 1.0, 2.0), Point("B", 1, 1.0, 2.0), Point("C", 2, 9.0, 9.0)]
    made = scatter([*points, Point("A", 0, 1.0, 2.0, hollow=True)], title="", x_label="", y_label="")
    assert re.findall(r'class="tag"[^>]*>([^<]+)<', made) in (["C", "A = B"], ["A = B", "C"])
    assert re.findall(r"scale\(([^)]+)\)", made) == ["1.7"]


def test_ticks_of_tiny_values_have_room_beside_the_axis():
    for top in (0.012, 0.00031, 0.05, 0.9, 3.0, 47.0, 100.0):
        axis = linear([top], 0, 100, low=0)
        assert max(len(text) for _, text in axis.ticks) <= 4
        for value, text in axis.ticks:
            assert abs(float(text) * 10.0**-axis.power - value) < 1e-9
    assert "×10⁻³" in scatter([Point("A", 0, 3.0, 0.012)], title="", x_label="", y_label="")
