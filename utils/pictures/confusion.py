"""Confusion matrices as pictures: rows true, columns predicted, in shares of the true class's pixels."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from utils.pictures.fonts import font, written

# Anchors of the colour map cividis (Nuñez, Anderton and Renslow, PLoS ONE 2018): one order of brightness and
# hue for every kind of colour vision.
ANCHORS = (
    (0, 34, 78), (26, 56, 111), (67, 78, 108), (97, 101, 111), (125, 124, 120), (155, 148, 118),
    (188, 174, 108), (222, 201, 88), (254, 232, 56),
)  # fmt: skip
NAMED = 60  # classes up to which there is room for names
VALUED = 10  # classes up to which there is room for numbers
PAPER, INK, QUIET = (255, 255, 255), (30, 30, 30), (110, 110, 110)
AXES = "rows true,\ncolumns\npredicted"


def colours(shares: np.ndarray) -> np.ndarray:
    """Values in 0..1 as RGB uint8, one dimension more."""
    anchors, places = np.array(ANCHORS), np.clip(shares, 0, 1) * (len(ANCHORS) - 1)
    channels = [np.interp(places, np.arange(len(anchors)), anchors[:, channel]) for channel in range(3)]
    return np.stack(channels, -1).round().astype(np.uint8)


def is_dark(pixels: np.ndarray) -> np.ndarray:  # (..., 3) -> (...)
    """Whether white ink is legible on a colour."""
    return pixels @ np.array([0.3, 0.59, 0.11]) < 120


def by_row(counts: Sequence[Sequence[int]]) -> np.ndarray:
    """Shares of each true class's pixels; a class that does not occur has none."""
    counts = np.asarray(counts, float)
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def confusion_picture(shares: np.ndarray, names: Sequence[str], columns: Sequence[str]) -> np.ndarray:
    """The matrix `shares` (C, K) with names at its sides; brightness grows with the root of the share.

    Returns:
        RGB uint8 (height, width, 3).
    """
    rows, wide = shares.shape
    side = max(3, min(30, 640 // wide))
    size = max(8, min(14, side - 2))
    names, columns = [written(name) for name in names], [written(name) for name in columns]
    named = max(rows, wide) <= NAMED
    margin = 8 + round(max(font(name, size).getlength(name) for name in [*names, *columns])) if named else 4
    cells = Image.fromarray(colours(np.sqrt(shares)).repeat(side, 0).repeat(side, 1))
    canvas = Image.new("RGB", (margin + wide * side + 4, margin + rows * side + 4), PAPER)
    canvas.paste(cells, (margin, margin))
    draw = ImageDraw.Draw(canvas)
    if named:
        for number, name in enumerate(names):
            draw.text((margin - 4, margin + (number + 0.5) * side), name, INK, font(name, size), anchor="rm")
        canvas.paste(upright(columns, size, margin, side), (margin, 0))
        if draw.multiline_textbbox((4, 4), AXES, font(AXES, size))[2] < margin:
            draw.multiline_text((4, 4), AXES, QUIET, font(AXES, size))
    if wide <= VALUED:
        dark = is_dark(colours(np.sqrt(shares)))
        for y, x in np.argwhere(shares >= 0.005):
            place = (margin + (x + 0.5) * side, margin + (y + 0.5) * side)
            value, ink = f"{100 * shares[y, x]:.0f}", PAPER if dark[y, x] else INK
            draw.text(place, value, ink, font(value, size), anchor="mm")
    return np.asarray(canvas)


def upright(names: Sequence[str], size: int, height: int, side: int) -> Image.Image:
    """Names in letters of `size` pixels turned by 90 degrees, one per `side` pixels, their beginnings
    below.
    """
    lying = Image.new("RGB", (height, side * len(names)), PAPER)
    draw = ImageDraw.Draw(lying)
    for number, name in enumerate(names):
        draw.text((4, (number + 0.5) * side), name, INK, font(name, size), anchor="lm")
    return lying.transpose(Image.Transpose.ROTATE_90)
