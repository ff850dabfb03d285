"""Charts as inline SVG that takes its colours from the page, so that they suit light, dark and paper.

A series is told by colour, marker and dashes at once: class "c<n>" has the colour, n also picks the rest.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 440, 300
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 14, 42
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
FULL, UNSEEN = 'fill="currentColor"', 'fill="transparent"'
HOLLOW = 'fill="none" stroke="currentColor" stroke-width="1.6"'
STAR = "M0,-6L1.8,-1.9L6,-1.9L2.6,0.9L3.8,5.2L0,2.6L-3.8,5.2L-2.6,0.9L-6,-1.9L-1.8,-1.9z"


def marker(
    number: int, x: float, y: float, *,
    title: str = "", look: str = FULL, star: bool = False, scale: float = 1,
) -> str:  # fmt: skip
    """The marker of series `number` at a place; `title` is shown when pointed at.

    `look` is FULL, HOLLOW or UNSEEN, which only tells its title; `scale` times as large as usual.
    """
    shape = STAR if star else MARKERS[(number + number // COLOURS) % len(MARKERS)]
    told = f"<title>{escape(title)}</title>" if title else ""
    size = f" scale({scale:g})" if scale != 1 else ""
    return f'<path d="{shape}" transform="translate({x:.1f},{y:.1f}){size}" {look}>{told}</path>'


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
    """A scale from `low` to `high` on pixels `first` to `last`, with its ticks, whose texts are in units of
    10 to the minus `power`.
    """

    low: float
    high: float
    first: float
    last: float
    ticks: Sequence[tuple[float, str]]
    log: bool = False
    power: int = 0

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
    texts = [f"{number * step:g}" for number in range(start, stop + 1)]
    power = 0
    if max(map(len, texts)) > 4 and step < 1:  # has no room beside the axis
        power = -math.floor(math.log10(step))
        texts = [f"{number * step * 10**power:g}" for number in range(start, stop + 1)]
    ticks = [(number * step, text) for number, text in zip(range(start, stop + 1), texts, strict=True)]
    return Axis(start * step, stop * step, first, last, ticks, power=power)


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


def power_of_ten(power: int) -> str:
    """×10⁻³ for -3."""
    return "×10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


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
    if y.power:
        parts.append(f'<text x="{LEFT}" y="9">{power_of_ten(-y.power)}</text>')
    if x.power:
        place = f'x="{WIDTH - 1}" y="{HEIGHT - 8}" text-anchor="end"'
        parts.append(f"<text {place}>{power_of_ten(-x.power)}</text>")
    parts.append(f'<path class="axis" d="M{LEFT},{floor}H{WIDTH - RIGHT}"/>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text class="name" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>'
    )
    parts.append(f'<text class="name" transform="translate(9,{(TOP + floor) / 2}) rotate(-90)" '
                 f'text-anchor="middle">{escape(y_label)}</text>')  # fmt: skip
    return "".join([*parts, body, "</svg>"])
