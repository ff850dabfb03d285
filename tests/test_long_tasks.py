"""Figures of 51 steps and 151 classes: no larger than a screen, and legible."""

import numpy as np
import pytest
import torch

from analysis import probe
from analysis.drift import Measured
from analysis.drift_figures import draw_classes, draw_cosines, draw_summary
from analysis.evenly import evenly
from analysis.figures import figure, heat_map
from analysis.runs import find_runs, some_steps

STEPS, CLASSES, DPI = 51, 151, 110
NAMES = [f"class {number}" for number in range(CLASSES)]
ROWS = [
    {"run": run, "class": name, "step": step, "taught": 0, "feature": 0.5, "row": 0.5, "alignment": 0.5,
     "recall": None if run == "B" else 0.5, "nearest_mean": 0.4}
    for run in "AB" for step in range(STEPS) for name in NAMES[:2]
]  # fmt: skip


def pixels(made) -> tuple[int, int]:
    return tuple(int(DPI * inches) for inches in made.get_size_inches())


@pytest.fixture
def steps() -> list[Measured]:
    vectors, shares = torch.eye(CLASSES).double(), torch.ones(CLASSES)
    return [Measured(step, [0] * CLASSES, vectors, vectors, shares, shares) for step in range(STEPS)]


def test_cosines_are_drawn_after_some_steps_on_a_screen(steps):
    made = draw_cosines("FT", steps, NAMES)
    assert pixels(made)[0] <= 1920 and pixels(made)[1] <= 1300
    shown = [axes.get_title() for axes in made.axes if axes.get_title()]
    assert shown == [f"after step {step}" for step in (0, 10, 20, 30, 40, 50)]
    assert made.get_suptitle().endswith("after 6 of 51 steps")
    few = draw_cosines("FT", steps[:4], NAMES[:5])  # wrapped, and no empty axes
    assert len([axes for axes in few.axes if axes.images]) == 4 == len(few.axes) - 1


def test_every_class_over_the_steps_is_drawn_on_a_screen():
    made = draw_classes("A", [row for row in ROWS if row["run"] == "A"], NAMES)
    assert pixels(made)[0] <= 1920 and pixels(made)[1] <= 1350


@pytest.mark.parametrize("draw", ["drift", "probe"])
def test_curves_over_many_steps_have_room_for_ticks_and_markers(draw):
    if draw == "drift":
        made = draw_summary(ROWS, has_background=True)
    else:
        keys = ("observed", "probed", "observed_base", "probed_base")
        rows = [{"run": row["run"], "step": row["step"], **dict.fromkeys(keys, 0.5)} for row in ROWS[::2]]
        made = probe.draw(rows, has_background=True)
    for axes in made.axes:
        assert 4 <= sum(0 <= place <= STEPS - 1 for place in axes.get_xticks()) <= 16
        first, second, *_ = axes.get_lines()
        assert first.get_markevery()[1] == 4
    assert {line.get_markevery()[0] for line in made.axes[0].get_lines()} == {0, 1}  # B does not hide A


@pytest.mark.parametrize("count, every", [(10, 1), (40, 1), (100, 2), (300, 6)])
def test_names_that_have_no_room_are_left_out(count, every):
    axes = figure(5, 6, "").subplots()
    names = [f"class {number}" for number in range(count)]
    heat_map(axes, np.zeros((count, 3)), names, ["0", "1", "2"], size=(3, 5), vmin=0, vmax=1)
    written = [label.get_text() for label in axes.get_yticklabels()]
    assert written == names[::every]
    assert min(label.get_fontsize() for label in axes.get_yticklabels()) >= 6
    assert len(axes.texts) == (3 * count if count <= 33 else 0)  # values


def test_some_of_many_are_evenly_spaced_with_both_ends():
    assert evenly(51, 6) == [0, 10, 20, 30, 40, 50] and evenly(3, 8) == evenly(3, 0) == [0, 1, 2]
    assert evenly(5, 1) == [4] and evenly(4, 3) == [0, 2, 3] and evenly(1, 1) == [0] and evenly(0, 3) == []


def test_some_steps_of_runs_are_the_same_steps_and_the_last_one_is_among_them(runs):
    found = find_runs([str(runs["FT"]), str(runs["DFT*"] / "step_1.pt"), str(runs["DFT*"] / "step_2.pt")])
    stems = [[path.stem for path in run.paths] for run in some_steps(found, 2)]
    assert stems == [["step_0", "step_2"], ["step_2"]]
    assert some_steps(found, 8) == some_steps(found, 0) == found
    assert found[0].last().step.index == 2
