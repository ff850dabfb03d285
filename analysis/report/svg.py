"""Charts as inline SVG that takes its colours from the page, so that they suit light, dark and paper.

A series is told by colour, marker and dashes at once: class "c<n>" has the colour, n also picks the rest.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 440, 300
LEFT, RIGHT, TOP, BOTTOM = 44, 14, 14, 42
COLOURS = 7
DASHES = ("", "6 3", "2 3", "8 3 2 3")
MARKERS = (
    "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0",
    "M-3.6,-3.6h7.2v7.2h-7.2z",
    "M0,-5L5,0L0,5L-5,0z",
    "M0,-4.8L4.6,3.6H-4.6z",
    "M0,4.8L4.6,-3.6H-4.6z",
    "M-1.5,-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
    "M-4.2,-2.6L-2.6,-4.2L0,-1.6L2.6,-4.2L4.2,-2.6L1.6,0L4.2,2.6L2.6,4.2L0,1.6L-2.6,4.2L-4.2,2.6L-1.6,0z",
)
STAR = "M0,-6L1.8,-1.9L6,-1.9L2.6,0.9L3.8,5.2L0,2.6L-3.8,5.2L-2.6,0.9L-6,-1.9L-1.8,-1.9z"


@dataclass(frozen=True)
class Series:
    """A line: (x, mean, deviation or None) for each point. number: of colour and marker."""

    label: str
    number: int
    points: Sequence[tuple[float, float, float | None]]


def marker(
    number: int, x: float, y: float, *, title: str = "", hollow: bool = False, star: bool = False
) -> str:
    """The marker of series `number` at a place; `title` is shown when pointed at."""
    shape = STAR if star else MARKERS[(number + number // COLOURS) % len(MARKERS)]
    look = 'fill="none" stroke="currentColor" stroke-width="1.6"' if hollow else 'fill="currentColor"'
    told = f"<title>{escape(title)}</title>" if title else ""
    return f'<path d="{shape}" transform="translate({x:.1f},{y:.1f})" {look}>{told}</path>'


def swatch(number: int, *, star: bool = False) -> str:
    """Line and marker of a series, for legends."""
    dash = DASHES[number // COLOURS % len(DASHES)]
    line = (
        ""
        if star
        else f'<path d="M1,7H27" stroke="currentColor" stroke-width="2" stroke-dasharray="{dash}"/>'
    )
    return (f'<svg class="swatch c{number % COLOURS}{" joint" * star}" viewBox="0 0 28 14" width="28" '
            f'height="14" aria-hidden="true">{line}{marker(number, 14, 7, star=star)}</svg>')  # fmt: skip


@dataclass(frozen=True)
class Axis:
    """A scale from `low` to `high` on pixels `first` to `last`, with its ticks."""

    low: float
    high: float
    first: float
    last: float
    ticks: Sequence[tuple[float, str]]
    log: bool = False

    def __call__(self, value: float) -> float:
        """Pixel of `value`."""
        low, high, at = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return self.first + (at - low) / (high - low) * (self.last - self.first)


def linear(values: Sequence[float], first: float, last: float, *, low: float | None = None) -> Axis:
    """From `low`, or what the values need, to a round number above them."""
    bottom, top = min(values, default=0.0) if low is None else low, max(values, default=1.0)
    span = max(top - bottom, 1e-9)
    step = 10 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if span / (step * factor) <= 5)
    start, stop = math.floor(bottom / step + 1e-9), math.ceil(top / step - 1e-9)
    stop += stop == start
    ticks = [(number * step, f"{number * step:g}") for number in range(start, stop + 1)]
    return Axis(start * step, stop * step, first, last, ticks)


def logarithmic(values: Sequence[float], first: float, last: float) -> Axis:
    """From a round number below the values to one above them."""
    powers = range(math.floor(math.log10(min(values))) - 1, math.ceil(math.log10(max(values))) + 2)
    grid = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    if max(values) / min(values) > 100:
        grid = grid[::3]
    start = max(index for index, value in enumerate(grid) if value < 0.9 * min(values))
    stop = min(index for index, value in enumerate(grid) if value > 1.1 * max(values))
    every = 1 + (stop - start) // 7
    ticks = [(grid[index], short(grid[index])) for index in range(start, stop + 1, every)]
    return Axis(grid[start], grid[stop], first, last, ticks, log=True)


def short(value: float) -> str:
    """1000 as 1k, 1000000 as 1M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def chart(x: Axis, y: Axis, body: str, *, title: str, x_label: str, y_label: str) -> str:
    """Axes, grid and `body` as one picture, named `title` for those who cannot see it."""
    parts = [f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    floor = HEIGHT - BOTTOM
    for value, text in y.ticks:
        at = y(value)
        parts.append(f'<path class="grid" d="M{LEFT},{at:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 3.5:.1f}" text-anchor="end">{escape(text)}</text>')
    for value, text in x.ticks:
        at = x(value)
        parts.append(f'<path class="grid" d="M{at:.1f},{TOP}V{floor}"/>')
        side = "end" if at + 3 * len(text) > WIDTH else "middle"
        parts.append(
            f'<text x="{min(at, WIDTH - 1):.1f}" y="{floor + 15}" text-anchor="{side}">{text}</text>'
        )
    parts.append(f'<path class="axis" d="M{LEFT},{floor}H{WIDTH - RIGHT}"/>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text class="name" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>'
    )
    parts.append(f'<text class="name" transform="translate(11,{(TOP + floor) / 2}) rotate(-90)" '
                 f'text-anchor="middle">{escape(y_label)}</text>')  # fmt: skip
    return "".join([*parts, body, "</svg>"])


def lines(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[str],
    levels: Sequence[tuple[str, float]] = (),
) -> str:
    """Lines over steps with their deviation as a band; `levels` are horizontal lines with names."""
    right = WIDTH - RIGHT - 10
    xs = Axis(0, max(len(x_ticks) - 1, 1), LEFT + 10, right, thinned(x_ticks))
    tops = [mean + (std or 0) for one in series for _, mean, std in one.points]
    ys = linear([*tops, *(value for _, value in levels)], HEIGHT - BOTTOM, TOP, low=0)
    parts = []
    for name, value in levels:
        parts.append(f'<path class="level" d="M{LEFT},{ys(value):.1f}H{WIDTH - RIGHT}"/>')
        curves = [[(xs(x), ys(mean)) for x, mean, _ in one.points] for one in series]
        parts.append(level_name(name, ys(value), curves))
    for one in series:
        parts.append(f'<g class="series c{one.number % COLOURS}" data-series="{one.number}">')
        banded = [(x, mean, std) for x, mean, std in one.points if std]
        if len(banded) > 1:
            upper = [f"{xs(x):.1f},{ys(mean + std):.1f}" for x, mean, std in banded]
            lower = [f"{xs(x):.1f},{ys(max(mean - std, 0)):.1f}" for x, mean, std in reversed(banded)]
            parts.append(f'<polygon class="band" points="{" ".join(upper + lower)}"/>')
        path = "L".join(f"{xs(x):.1f},{ys(mean):.1f}" for x, mean, _ in one.points)
        dash = DASHES[one.number // COLOURS % len(DASHES)]
        parts.append(f'<path class="line" d="M{path}" stroke-dasharray="{dash}"/>')
        for x, mean, std in one.points:
            note = f"{one.label}, {x_label.split(' ')[0]} {x:g}: {mean:.1f}" + (
                f" ± {std:.1f}" if std else ""
            )
            parts.append(marker(one.number, xs(x), ys(mean), title=note))
        parts.append("</g>")
    return chart(xs, ys, "".join(parts), title=title, x_label=x_label, y_label=y_label)


def level_name(name: str, height: float, curves: Sequence[Sequence[tuple[float, float]]]) -> str:
    """The name of a horizontal line, over or under one of its ends: where it covers least of `curves`."""
    spots = [
        (x, y) for curve in curves for (x0, y0), (x1, y1) in zip(curve, curve[1:], strict=False)
        for x, y in ((x0 + k / 16 * (x1 - x0), y0 + k / 16 * (y1 - y0)) for k in range(17))
    ]  # fmt: skip
    width, best, fewest = 5.5 * len(name), "", math.inf
    for shift in (-4, 12, -11, 19):
        for anchor, edge in (("end", WIDTH - RIGHT), ("start", LEFT + 4)):
            left, foot = edge - width * (anchor == "end"), height + shift
            covered = sum(left - 5 < x < left + width + 5 and foot - 13 < y < foot + 5 for x, y in spots)
            if covered < fewest and TOP - 4 < foot < HEIGHT - BOTTOM:
                place = f'x="{edge}" y="{foot:.1f}" text-anchor="{anchor}"'
                best, fewest = f'<text class="level" {place}>{escape(name)}</text>', covered
    return best


def thinned(texts: Sequence[str]) -> list[tuple[float, str]]:
    """Ticks at 0, 1, ..., as many as there is room for."""
    every = 1 + (len(texts) - 1) // 12
    return [(float(number), text) for number, text in enumerate(texts) if number % every == 0]
