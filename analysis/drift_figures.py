"""The figures of `analysis.drift`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from analysis.evenly import evenly
from analysis.figures import figure, heat_map, legend, look, save_figure, show_all, step_ticks, style
from utils.pictures.fonts import written

WIDTH, HEIGHT = 17.0, 10.5  # inches that a screen shows at once
SHOWN, ACROSS = 6, 3  # cosine maps of a run, and how many of them stand beside each other
PANELS = (
    ("feature", "Features: class means,\ncosine to when learned"),
    ("row", "Classifier: its rows,\ncosine to when learned"),
    ("alignment", "Alignment: cosine of\nclass mean and row"),
)
RECOGNISED = (
    ("recall", "Recognised by\nits own classifier"),
    ("nearest_mean", "Recognised by\nnearest class mean"),
)


def draw_summary(rows: Sequence[dict], *, has_background: bool) -> Figure:
    """Curves over the steps for the classes of step 0: drift, alignment and recall.

    `rows` are those of drift.csv.
    """
    made = figure(
        14,
        4.2,
        "Where does forgetting happen? Classes of step 0, background left out"
        if has_background
        else "Where does forgetting happen? Classes of step 0",
    )
    first = rows[0]["class"] if has_background else ""
    base = [row for row in rows if row["taught"] == 0 and row["class"] != first]
    names, steps = (list(dict.fromkeys(row[key] for row in rows)) for key in ("run", "step"))
    panels = made.subplots(1, 4)
    for axes, (key, title) in zip(panels, PANELS, strict=False):
        for number, name in enumerate(names):
            axes.plot(*means(base, name, key), **look(number, len(steps)))
        axes.set(title=title, xlabel="network after step")
        step_ticks(axes, steps)
    for number, name in enumerate(names):
        for key, line, filled in (("recall", "-", "full"), ("nearest_mean", "--", "none")):
            places, values = means(base, name, key)
            panels[3].plot(places, 100 * np.array(values), line, fillstyle=filled,
                           **look(number, len(steps)))  # fmt: skip
    panels[3].set(
        title="Recognised pixels, %;\ndashed: by the nearest class mean", xlabel="network after step"
    )
    step_ticks(panels[3], steps)
    show_all(panels[:3], least=0, most=1)
    show_all(panels[3:], least=0, most=100)
    legend(made, names, "own classifier", "nearest mean of all classes")
    return made


def means(rows: Sequence[dict], run: str, key: str) -> tuple[list[int], list[float]]:
    """Steps of `run`, and the mean of `key` over its rows at each; nan where no class has a value."""
    steps = list(dict.fromkeys(row["step"] for row in rows if row["run"] == run))
    found = []
    for step in steps:
        values = [
            row[key] for row in rows if row["run"] == run and row["step"] == step and row[key] is not None
        ]
        found.append(float(np.mean(values)) if values else float("nan"))
    return steps, found


def draw_cosines(run: str, steps: Sequence, names: Sequence[str]) -> Figure:
    """Cosines of prototypes (y) and classifier rows (x) after some steps, the first and the last among them;
    classes not taught yet stay empty.
    """
    of = f"{run}: how class means (rows) lie to classifier rows (columns)"
    of += f", after {SHOWN} of {len(steps)} steps" if len(steps) > SHOWN else ""
    steps = [steps[place] for place in evenly(len(steps), SHOWN)]
    down, across = -(-len(steps) // ACROSS), min(len(steps), ACROSS)
    side = max(2.6, min(0.5 * len(names), (WIDTH - 2.2) / across, HEIGHT - 1.5))
    made = figure(side * across + 2.2, min(side, HEIGHT / down) * down + 1.5, of)
    panels = made.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    for axes, one in zip(panels.flat, steps, strict=False):
        values = one.cosines.numpy().copy()
        values[:, [taught > one.step for taught in one.taught]] = np.nan
        drawn = heat_map(axes, values, names, names, size=(0.8 * side, 0.8 * side), vmin=-1, vmax=1,
                         cmap="PuOr_r")  # fmt: skip
        axes.set_title(f"after step {one.step}")
    for axes in [*panels.flat][len(steps) :]:
        axes.remove()
    made.supylabel("mean feature of class")
    made.colorbar(drawn, ax=list(panels.flat)[: len(steps)], label="cosine", shrink=0.8)
    return made


def draw_classes(run: str, rows: Sequence[dict], names: Sequence[str]) -> Figure:
    """Heat maps of class by step: drift of features and of classifier rows, alignment, recall.

    `rows` are those of drift.csv for this run.
    """
    steps = list(dict.fromkeys(row["step"] for row in rows))
    shown = [*PANELS, *RECOGNISED]
    height = max(2.6, min(HEIGHT + 1.6, 0.36 * len(names) + 1.6))
    width = max(11.0, min(WIDTH, 4 * (1.1 + 0.55 * len(steps))))
    made = figure(width, height, f"{run}: every class over the steps")
    each = (width - 2.5) / len(shown) - 0.2, height - 1.6
    rank = {name: number for number, name in enumerate(names)}
    panels = made.subplots(1, len(shown), sharey=True)
    for axes, (key, title) in zip(panels, shown, strict=True):
        values = np.full((len(names), len(steps)), np.nan)
        for row in rows:
            value = row[key]
            values[rank[row["class"]], steps.index(row["step"])] = np.nan if value is None else value
        labels = [str(step) for step in steps]
        drawn = heat_map(axes, values, names, labels, size=each, vmin=0, vmax=1, cmap="cividis")
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("after step")
    made.colorbar(drawn, ax=list(panels), label="cosine, or share of pixels", extend="min", shrink=0.8)
    return made


def draw_all(
    out: Path,
    rows: Sequence[dict],
    measured: Mapping[str, Sequence],
    drawn: Mapping[str, str],
    *,
    has_background: bool,
) -> None:
    """Every figure. `rows` are those of drift.csv, `measured` has the `analysis.drift.Measured` of each run's
    steps, and `drawn` each class's name as fonts can write it.
    """
    rows = [row | {"class": drawn[row["class"]], "run": written(row["run"])} for row in rows]
    names = list(drawn.values())
    with style([*names, *map(written, measured)]):
        save_figure(draw_summary(rows, has_background=has_background), out / "summary.png")
        for run, steps in measured.items():
            file, run = file_name(run), written(run)
            own = [row for row in rows if row["run"] == run]
            save_figure(draw_cosines(run, steps, names), out / f"{file}_cosines.png")
            save_figure(draw_classes(run, own, names), out / f"{file}_classes.png")


def file_name(run: str) -> str:
    """The name of a run as part of a file's name."""
    return run.replace("*", "_STAR").replace("/", "_")
