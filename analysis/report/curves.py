"""Curves of the report: scores over the steps, and losses over epochs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from analysis.report.svg import (
    BOTTOM,
    COLOURS,
    DASHES,
    FULL,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    UNSEEN,
    WIDTH,
    Axis,
    chart,
    linear,
    marker,
)

MARKED = 17  # points of a curve that have room for their markers; pointing at any one tells
APART = 0.005  # of the highest value: less is less than a line is thick
DASH = 9  # pixels of each colour where curves coincide


@dataclass(frozen=True)
class Series:
    """A line: (x, mean, deviation or None) for each point. number: of colour and marker."""

    label: str
    number: int
    points: Sequence[tuple[float, float, float | None]]


def coinciding(series: Sequence[Series]) -> list[list[Series]]:
    """Each series with those that it would hide: same places, values that no eye can tell apart."""
    bound = APART * max((abs(mean) for one in series for _, mean, _ in one.points), default=0.0)
    groups: list[list[Series]] = []
    for one in series:
        for group in groups:
            pairs = zip(group[0].points, one.points, strict=False)
            if len(group[0].points) == len(one.points) and all(
                a[0] == b[0] and abs(a[1] - b[1]) <= bound for a, b in pairs
            ):
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


def lines(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[str],
    levels: Sequence[tuple[str, float]] = (),
) -> str:
    """Lines over steps with their deviation as a band; `levels` are horizontal lines with names.

    Lines that coincide are drawn as one whose dashes take turns in their colours.
    """
    right = WIDTH - RIGHT - 10
    xs = Axis(0, max(len(x_ticks) - 1, 1), LEFT + 10, right, thinned(x_ticks))
    tops = [mean + (std or 0) for one in series for _, mean, std in one.points]
    ys = linear([*tops, *(value for _, value in levels)], HEIGHT - BOTTOM, TOP, low=0)
    parts = []
    for name, value in levels:
        parts.append(f'<path class="level" d="M{LEFT},{ys(value):.1f}H{WIDTH - RIGHT}"/>')
        curves = [[(xs(x), ys(mean)) for x, mean, _ in one.points] for one in series]
        parts.append(level_name(name, ys(value), curves))
    unit = x_label.split(" ")[0]
    parts += [curve(one, group, xs, ys, unit) for group in coinciding(series) for one in group]
    return chart(xs, ys, "".join(parts), title=title, x_label=x_label, y_label=y_label)


def curve(one: Series, group: Sequence[Series], xs: Axis, ys: Axis, unit: str) -> str:
    """A line of the `group` that coincides with it: band, dashes, some markers; any point tells its value."""
    parts = [f'<g class="series c{one.number % COLOURS}" data-series="{one.number}">']
    banded = [(x, mean, std) for x, mean, std in one.points if std]
    if len(banded) > 1:
        upper = [f"{xs(x):.1f},{ys(mean + std):.1f}" for x, mean, std in banded]
        lower = [f"{xs(x):.1f},{ys(max(mean - std, 0)):.1f}" for x, mean, std in reversed(banded)]
        parts.append(f'<polygon class="band" points="{" ".join(upper + lower)}"/>')
    path = "L".join(f"{xs(x):.1f},{ys(mean):.1f}" for x, mean, _ in one.points)
    rank, every = group.index(one), -(-len(one.points) // MARKED)
    dash = f'stroke-dasharray="{DASHES[one.number // COLOURS % len(DASHES)]}"'
    if len(group) > 1:
        dash = f'stroke-dasharray="{DASH} {DASH * (len(group) - 1)}" stroke-dashoffset="{-DASH * rank}"'
    parts.append(f'<path class="line" d="M{path}" {dash}/>')
    who = " = ".join(other.label for other in group)
    for place, (x, mean, std) in enumerate(one.points):
        look = FULL if place % (every * len(group)) == every * rank else UNSEEN
        note = f"{who}, {unit} {x:g}: {mean:.1f}" + (f" ± {std:.1f}" if std else "")
        parts.append(marker(one.number, xs(x), ys(mean), title=note, look=look))
    return "".join([*parts, "</g>"])


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
