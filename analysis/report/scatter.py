"""Scatter plots of the report, whose points have their names beside them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from analysis.report.svg import (
    BOTTOM,
    COLOURS,
    FULL,
    HEIGHT,
    HOLLOW,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    chart,
    linear,
    logarithmic,
    marker,
)

CROWD = 12  # points up to which every one has its name beside it; pointing at one always tells


@dataclass(frozen=True)
class Point:
    """A place in a scatter plot; `hollow` for published values, `star` for joint training."""

    label: str
    number: int
    x: float
    y: float
    note: str = ""
    hollow: bool = False
    star: bool = False


def scatter(
    points: Sequence[Point],
    *,
    title: str,
    x_label: str,
    y_label: str,
    log: bool = False,
    harmonics: bool = False,
) -> str:
    """Points with their names; `harmonics` draws lines of equal harmonic mean of x and y."""
    x_values, y_values = [point.x for point in points], [point.y for point in points]
    span = (LEFT, WIDTH - RIGHT)
    xs = logarithmic(x_values, *span) if log else linear(x_values, *span, low=0)
    ys = linear(y_values, HEIGHT - BOTTOM, TOP, low=0)
    places = [(xs(point.x), ys(point.y)) for point in points]
    parts = [iso(level, xs, ys, places) for level in range(10, 100, 10)] if harmonics else []
    named: dict[tuple[float, float], list[Point]] = {}
    for point, (x, y) in zip(points, places, strict=True):
        if not point.hollow:
            spot = next((one for one in named if math.dist(one, (x, y)) < 2), (x, y))
            named.setdefault(spot, []).append(point)
    for point, (x, y) in zip(points, places, strict=True):
        tone = "joint" if point.star else f"c{point.number % COLOURS}"
        note = f"{point.label}{' (' + point.note + ')' if point.note else ''}: {point.x:,.6g}, {point.y:.1f}"
        look, scale = (HOLLOW, 1.0) if point.hollow else (FULL, larger(point, named.values()))
        mark = marker(point.number, x, y, title=note, look=look, star=point.star, scale=scale)
        series = -1 if point.star else point.number
        parts.append(f'<g class="series {tone}" data-series="{series}">{mark}</g>')
    parts += labels([(*place, " = ".join(one.label for one in group)) for place, group in named.items()])
    return chart(xs, ys, "".join(parts), title=title, x_label=x_label, y_label=y_label)


def larger(point: Point, groups: Iterable[Sequence[Point]]) -> float:
    """How much larger its marker is than usual, so that none hides another at the same place."""
    group = next(group for group in groups if point in group)
    return 1 + 0.7 * (len(group) - 1 - group.index(point))


def iso(level: float, xs: Axis, ys: Axis, points: Sequence[tuple[float, float]]) -> str:
    """Where the harmonic mean of x and y is `level`, inside the axes; unnamed near one of `points`."""
    places = []
    for number in range(121):
        x = xs.low + (xs.high - xs.low) * number / 120
        y = level * x / (2 * x - level) if 2 * x > level else math.inf
        if ys.low <= y <= ys.high:
            places.append(f"{xs(x):.1f},{ys(y):.1f}")
    if len(places) < 8:
        return ""
    x, y = xs(level) + 2, ys(level) - 2  # of its name, which stands where both means are equal
    near = any(abs(x - other) < 40 and abs(y - height) < 14 for other, height in points)
    if near or level >= min(xs.high, ys.high) - 4:
        return f'<path class="iso" d="M{"L".join(places)}"/>'
    name = f'<text class="iso" x="{x:.1f}" y="{y:.1f}">{level:g}</text>'
    return f'<path class="iso" d="M{"L".join(places)}"/>{name}'


def labels(places: Sequence[tuple[float, float, str]]) -> list[str]:
    """Names beside points, each where it touches no other; in a crowd, only those that have room."""
    made, crowded = [], len(places) > CROWD
    shifts = (0,) if crowded else (0, -11, 11, -22, 22, -33, 33)
    taken = [(x - 5, x + 5, y) for x, y, _ in places]
    for x, y, text in sorted(places, key=lambda place: place[1]):
        text = text if len(text) <= 26 else text[:25] + "…"
        width = 6.2 * len(text)
        tries = [(side, y + 3.5 + shift) for shift in shifts for side in (8, -8 - width)]
        fits = range(LEFT, round(WIDTH - RIGHT - width + 6)), range(TOP, HEIGHT - BOTTOM - 2)
        inside = [(x + side, at) for side, at in tries if int(x + side) in fits[0] and int(at) in fits[1]]
        free = [place for place in inside if not touches(*place, width, taken)]
        if crowded and not free:
            continue
        left, at = (free or inside or [(x + 8, y + 3.5)])[0]
        taken.append((left, left + width, at - 3.5))
        ends = left < x
        anchor = ' text-anchor="end"' if ends else ""
        begin = left + width if ends else left
        made.append(f'<text class="tag" x="{begin:.1f}" y="{at:.1f}"{anchor}>{escape(text)}</text>')
    return made


def touches(left: float, at: float, width: float, taken: Sequence[tuple[float, float, float]]) -> bool:
    """Whether a name whose foot is at `at` would cover something in `taken` (left, right, middle)."""
    return any(left < end and begin < left + width and abs(at - 3.5 - y) < 9 for begin, end, y in taken)
