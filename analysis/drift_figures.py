"""The figures of `analysis.drift`."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from analysis.figures import figure, heat_map, legend, look, show_all

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
            axes.plot(*means(base, name, key), **look(number))
        axes.set(title=title, xlabel="network after step", xticks=sorted(steps))
    for number, name in enumerate(names):
        for key, style, filled in (("recall", "-", "full"), ("nearest_mean", "--", "none")):
            places, values = means(base, name, key)
            panels[3].plot(places, 100 * np.array(values), style, fillstyle=filled, **look(number))
    panels[3].set(
        title="Recognised pixels, %;\ndashed: by the nearest class mean",
        xlabel="network after step",
        xticks=sorted(steps),
    )
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
    """Per step the cosines of prototypes (y) and classifier rows (x); classes not taught yet stay empty."""
    side = max(2.6, min(9.0, 0.5 * len(names)))
    made = figure(
        side * len(steps) + 2.2, side + 1.5, f"{run}: how class means (rows) lie to classifier rows (columns)"
    )
    panels = np.atleast_1d(made.subplots(1, len(steps), sharey=True))
    for axes, one in zip(panels, steps, strict=True):
        values = one.cosines.numpy().copy()
        values[:, [taught > one.step for taught in one.taught]] = np.nan
        drawn = heat_map(axes, values, names, names, vmin=-1, vmax=1, cmap="PuOr_r")
        axes.set_title(f"after step {one.step}")
    panels[0].set_ylabel("mean feature of class")
    made.colorbar(drawn, ax=list(panels), label="cosine", shrink=0.8)
    return made


def draw_classes(run: str, rows: Sequence[dict], names: Sequence[str]) -> Figure:
    """Heat maps of class by step: drift of features and of classifier rows, alignment, recall.

    `rows` are those of drift.csv for this run.
    """
    steps = list(dict.fromkeys(row["step"] for row in rows))
    height = max(2.6, min(16.0, 0.36 * len(names) + 1.6))
    made = figure(max(11.0, 4 * (1.1 + 0.55 * len(steps))), height, f"{run}: every class over the steps")
    shown = [*PANELS, *RECOGNISED]
    panels = made.subplots(1, len(shown), sharey=True)
    for axes, (key, title) in zip(panels, shown, strict=True):
        values = np.full((len(names), len(steps)), np.nan)
        for row in rows:
            value = row[key]
            values[names.index(row["class"]), steps.index(row["step"])] = np.nan if value is None else value
        labels = [str(step) for step in steps]
        drawn = heat_map(axes, values, names, labels, vmin=0, vmax=1, cmap="cividis")
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("after step")
    made.colorbar(drawn, ax=list(panels), label="cosine, or share of pixels", extend="min", shrink=0.8)
    return made
