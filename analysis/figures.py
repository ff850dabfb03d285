"""Style of the analyses' figures, and how they are saved."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

from utils.files import write_bytes
from utils.pictures.fonts import families

# Okabe and Ito's colours, which are safe for colour blindness; markers repeat what the colours say.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX"
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


def look(number: int) -> dict:
    """Colour and marker of run `number`; later runs get smaller markers, so that none hides another."""
    shape = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
    return shape | {"markersize": max(5, 9 - 2 * number), "linewidth": 2}


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


def heat_map(axes, values: np.ndarray, rows: Sequence[str], columns: Sequence[str], **scale) -> AxesImage:
    """A heat map with labelled axes and, if it fits, the value in each cell; nan stays empty.

    `scale` are vmin, vmax and cmap of matplotlib's imshow.
    """
    drawn = axes.imshow(np.ma.masked_invalid(values), aspect="auto", **scale)
    size = 9 if len(rows) <= 25 else max(4, 9 - len(rows) // 25)
    turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if len(columns) > 3 else {}
    axes.set_yticks(range(len(rows)), rows, fontsize=size)
    axes.set_xticks(range(len(columns)), columns, fontsize=size, **turned)
    axes.grid(False)
    axes.tick_params(length=0)
    if max(values.shape) <= 25:
        for row, column in np.argwhere(~np.isnan(values)):
            value = values[row, column]
            red, green, blue, _ = drawn.cmap(drawn.norm(value))
            ink = "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.5 else "#222222"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7.5, color=ink)
    return drawn


def style(texts: Iterable[str] = ()):
    """The context in which figures are drawn, with fonts that have the letters of `texts`."""
    return rc_context(STYLE | {"font.family": families(texts)})
