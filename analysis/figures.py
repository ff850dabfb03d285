"""Style of the analyses' figures, and how they are saved."""

import io
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from utils.files import write_bytes
from utils.pictures.fonts import families

# Okabe and Ito's colours, which are safe for colour blindness; markers repeat what the colours say.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX"
TICKS = 16  # steps and markers that have room beside each other
CELL = (0.25, 0.15)  # of a heat map that has room for its value, inches
STYLE = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e5e5",
    "legend.frameon": False,
    "axes.axisbelow": True,
}


def figure(width: float, height: float, title: str) -> Figure:
    """An empty figure of `width` x `height` inches whose parts never overlap."""
    made = Figure((width, height), layout="constrained", facecolor="white")
    made.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    return made


def save_figure(made: Figure, path: Path) -> None:
    """Write `made` as PNG atomically; creates its folder."""
    data = io.BytesIO()
    made.savefig(data, dpi=110, format="png")
    write_bytes(path, data.getvalue())


def look(number: int, points: int = 1) -> dict:
    """Colour and marker of run `number`; later runs get smaller markers, so that none hides another.

    Of more `points` than there is room for, some have markers, each run's own ones.
    """
    shape = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
    every = -(-points // TICKS)
    shape |= {"markersize": max(5, 9 - 2 * number), "markevery": (number % every, every)}
    return shape | {"linewidth": 2}


def legend(made: Figure, names: Sequence[str], solid: str, dashed: str) -> None:
    """Add a legend below the figure: the colour of each run, the meaning of solid and dashed lines."""
    lines = [Line2D([], [], label=name, **look(number)) for number, name in enumerate(names)]
    grey = {"color": "#444444", "linewidth": 2, "marker": "o", "markersize": 7}
    lines.append(Line2D([], [], label=solid, **grey))
    lines.append(Line2D([], [], label=dashed, linestyle="--", fillstyle="none", **grey))
    made.legend(handles=lines, loc="outside lower center", ncols=min(6, len(lines)), handlelength=3)


def show_all(panels: Iterable, *, least: float | None = None, most: float | None = None) -> None:
    """Give `panels` one scale on which every value that they draw, and its whole marker, is to be seen.

    `least` and `most` are on it whatever is drawn. Called when everything is drawn: panels that share an axis
    would otherwise keep the limits of the first.
    """
    panels = list(panels)
    drawn = [np.ravel(line.get_ydata()).astype(float) for axes in panels for line in axes.get_lines()]
    values = np.concatenate([*drawn, [value for value in (least, most) if value is not None]])
    values = values[np.isfinite(values)]
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    margin = 0.06 * ((high - low) or 1.0)
    for axes in panels:
        axes.set_ylim(low - margin, high + margin)


def step_ticks(axes, steps: Iterable[int]) -> None:
    """Tick the horizontal axis at each of `steps`, or at whole numbers between them if they are many."""
    steps = sorted(set(steps))
    if len(steps) <= TICKS:
        axes.set_xticks(steps)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(TICKS // 2, integer=True, steps=[1, 2, 5, 10]))


def name_ticks(set_ticks: Callable, names: Sequence[str], room: float, **options) -> None:
    """Name places 0, 1, 2, ... of an axis in letters of `room` inches, or every second, third, ... of them
    where these would be too small.
    """
    points = max(6.0, min(9.0, 72 * room))
    every = 1 if len(names) <= 3 else math.ceil(points / (72 * room))
    places = range(0, len(names), every)
    set_ticks(places, [names[place] for place in places], fontsize=points, **options)


def heat_map(
    axes, values: np.ndarray, rows: Sequence[str], columns: Sequence[str], *,
    size: tuple[float, float], **scale,
) -> AxesImage:  # fmt: skip
    """A heat map with labelled axes and, where they fit, the value in each cell; nan stays empty.

    Args:
        axes: where to draw. values: (R, K), their `rows` and `columns` named.
        size: of the map, inches (width, height), as far as it is known. Names that have no room are left out.
        scale: vmin, vmax and cmap of matplotlib's imshow.
    """
    drawn = axes.imshow(np.ma.masked_invalid(values), aspect="auto", **scale)
    across, down = (one / length for one, length in zip(size, reversed(values.shape), strict=True))
    short = all(len(name) <= 3 for name in columns)
    name_ticks(axes.set_yticks, rows, down / 1.15)
    if short or len(columns) <= 3:
        name_ticks(axes.set_xticks, columns, across / 2)
    else:
        name_ticks(axes.set_xticks, columns, across / 1.3, rotation=45, ha="right", rotation_mode="anchor")
    axes.grid(False)
    axes.tick_params(length=0)
    if across >= CELL[0] and down >= CELL[1]:
        for row, column in np.argwhere(~np.isnan(values)):
            value = values[row, column]
            red, green, blue, _ = drawn.cmap(drawn.norm(value))
            ink = "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.5 else "#222222"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7.5, color=ink)
    return drawn


def style(texts: Iterable[str] = ()):
    """The context in which figures are drawn, with fonts that have the letters of `texts`."""
    return rc_context(STYLE | {"font.family": families(texts)})
