"""Maps of the report: IoU of classes over steps as coloured cells, and confusion matrices as pictures."""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from analysis.report.rows import Row
from metrics.scores import average as mean_of_known
from utils.pictures.confusion import NAMED, VALUED, by_row, colours, is_dark

LEVELS = 21  # colours of the cells: one per five points


def cell_colours() -> list[tuple[str, str]]:
    """Background and ink of each level."""
    backs = colours(np.linspace(0, 1, LEVELS))
    inks = ["#fff" if dark else "#000" for dark in is_dark(backs)]
    return [(f"#{r:02x}{g:02x}{b:02x}", ink) for (r, g, b), ink in zip(backs.tolist(), inks, strict=True)]


def level(share: float) -> int:
    """Number of the colour of `share`."""
    return round(min(max(share, 0.0), 1.0) * (LEVELS - 1))


def class_map(row: Row, joint: dict) -> dict:
    """What a table of classes by steps shows of a row: means over seeds, in per cent.

    Returns:
        `steps`; `classes`: for each name, taught (step), cells (text and level, or None before it is known),
        forgetting and intransigence (text).
    """
    longest = max(row.runs, key=lambda run: run.last["step"])
    steps = [result["step"] for result in longest.results]
    found = []
    for entry in longest.last["classes"]:
        over = row.over_steps(lambda result, name=entry["name"]: value_of(result, name, "iou"))
        shares = [over[step].mean if step in over else None for step in steps]
        lost = mean_of_known([value_of(run.last, entry["name"], "forgetting") for run in row.runs])
        short_of = mean_of_known([run.intransigence(joint).get(entry["name"]) for run in row.runs])
        found.append({
            "name": entry["name"], "taught": entry["step"],
            "forgetting": points(lost), "intransigence": points(short_of),
            "cells": [None if share is None else (points(share), level(share)) for share in shares],
        })  # fmt: skip
    return {"steps": steps, "classes": found}


def points(share: float | None) -> str:
    """A share of 1 in whole per cent."""
    return "–" if share is None else f"{round(100 * share)}".replace("-", "−")


def value_of(result: dict, name: str, key: str) -> float | None:
    """A value of the class `name`, None if the result does not know it."""
    return next((entry[key] for entry in result["classes"] if entry["name"] == name), None)


def confusions(row: Row) -> list[dict]:
    """For each step, the confusion matrix averaged over seeds: step, picture (SVG), largest (in words)."""
    found = []
    for step in sorted({result["step"] for run in row.runs for result in run.results}):
        results = [result for run in row.runs for result in run.results if result["step"] == step]
        names, columns = [entry["name"] for entry in results[0]["classes"]], results[0]["columns"]
        shares = np.mean([by_row(result["confusion"]) for result in results], axis=0)
        title = f"{row.label}, step {step}: confusion matrix of {len(names)} classes"
        picture = confusion_svg(shares, names, columns, title=title)
        found.append({"step": step, "picture": picture, "largest": largest(shares, names, columns)})
    return found


def largest(shares: np.ndarray, names: Sequence[str], columns: Sequence[str], count: int = 5) -> list[str]:
    """The largest confusions in words, e.g. "cow → horse 31 %"."""
    wrong = shares.copy()
    np.fill_diagonal(wrong, 0)
    places = np.argsort(wrong, axis=None)[::-1][:count]
    pairs = [np.unravel_index(place, wrong.shape) for place in places]
    return [f"{names[y]} → {columns[x]} {100 * wrong[y, x]:.0f} %" for y, x in pairs if wrong[y, x] >= 0.005]


def png(pixels: np.ndarray) -> str:
    """RGB uint8 (H, W, 3) as a data URI."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


def confusion_svg(shares: np.ndarray, names: Sequence[str], columns: Sequence[str], *, title: str) -> str:
    """Rows: true class; columns: predicted. Brightness grows with the root of the share."""
    rows, wide = shares.shape
    named = max(rows, wide) <= NAMED
    side = 300 / max(rows, wide)
    size = min(max(0.8 * side, 4.5), 11)
    margin = 8 + size * 0.58 * max(map(len, [*names, *columns])) if named else 16
    width, height = margin + side * wide + 2, margin + side * rows + 2
    parts = [f'<svg class="confusion" viewBox="0 0 {width:.0f} {height:.0f}" role="img" ',
             f'aria-label="{escape(title)}"><image x="{margin:.1f}" y="{margin:.1f}" '
             f'width="{side * wide:.1f}" height="{side * rows:.1f}" '
             f'preserveAspectRatio="none" href="{png(colours(np.sqrt(shares)))}"/>']  # fmt: skip
    if named:
        parts.append(f'<g font-size="{size:.1f}">')
        for number, name in enumerate(names):
            y = margin + side * (number + 0.5) + size * 0.35
            parts.append(f'<text x="{margin - 4:.1f}" y="{y:.1f}" text-anchor="end">{escape(name)}</text>')
        for number, name in enumerate(columns):
            x = margin + side * (number + 0.5) + size * 0.35
            place = f"translate({x:.1f},{margin - 4:.1f}) rotate(-90)"
            parts.append(f'<text transform="{place}">{escape(name)}</text>')
        parts.append("</g>")
    else:
        turned = f'<text transform="translate(11,{margin + 60}) rotate(-90)">← true</text>'
        parts.append(f'<g font-size="10"><text x="{margin}" y="11">predicted →</text>{turned}</g>')
    if wide <= VALUED:
        parts += values(shares, margin, side)
    return "".join([*parts, "</svg>"])


def values(shares: np.ndarray, margin: float, side: float) -> list[str]:
    """Per cent in each cell that has any."""
    made = [f'<g font-size="{min(11, side * 0.36):.1f}" text-anchor="middle">']
    dark = is_dark(colours(np.sqrt(shares)))
    for y, x in np.argwhere(shares >= 0.005):
        place = f'x="{margin + side * (x + 0.5):.1f}" y="{margin + side * (y + 0.6):.1f}"'
        ink = "#fff" if dark[y, x] else "#000"
        made.append(f'<text {place} style="fill:{ink}">{100 * shares[y, x]:.0f}</text>')
    return [*made, "</g>"]
