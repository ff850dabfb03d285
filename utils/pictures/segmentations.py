"""Pictures of segmentations: images, truth and several predictions side by side, with a legend."""

import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy import ndarray
from PIL import Image, ImageDraw

from utils.files import write_bytes
from utils.labels import IGNORE
from utils.pictures.fonts import font, legible, written

PAPER, INK, RULE = (255, 255, 255), (30, 30, 30), (150, 150, 150)
GAP = 6  # pixels between tiles
SIZE, LINE = 14, 22  # of the letters, and from line to line, pixels


def colour(labels: ndarray, palette: ndarray) -> ndarray:
    """`labels` (H, W), integers in 0..255, painted with `palette` uint8 (256, 3); RGB uint8 (H, W, 3)."""
    return palette[np.asarray(labels, np.int64)]


def to_dataset_labels(predicted: ndarray, order: Sequence[int]) -> ndarray:
    """Dataset labels of model indices; `order[i]` is the label of index i, IGNORE stays. uint8."""
    table = np.full(256, IGNORE, np.uint8)
    table[: len(order)] = order
    return table[np.asarray(predicted, np.int64)]


def comparison(
    images: Sequence[ndarray],
    truths: Sequence[ndarray],
    predictions: Mapping[str, Sequence[ndarray]],
    *,
    class_names: Sequence[str],
    palette: ndarray,
    caption: str = "",
    side: int = 160,
) -> ndarray:
    """One row per image: the image, its truth, and one column per entry of `predictions`; below, a legend.

    Args:
        images: RGB uint8 (H, W, 3) each; sizes may differ.
        truths: dataset labels (H, W) of each image, IGNORE where nobody knows.
        predictions: dataset labels (H, W) of each image, by the name of who predicted them.
        class_names: name of each dataset label. Only labels that occur get a place in the legend.
        palette: colour of each label, uint8 (256, 3).
        caption: line above the grid.
        side: longer side of a tile, pixels.

    Returns:
        RGB uint8 (height, width, 3).

    Raises:
        ValueError: if there is no image, or a column has another number of entries than there are images.
    """
    columns = {"image": images, "truth": truths, **predictions}
    lengths = {name: len(column) for name, column in columns.items()}
    if not len(images) or set(lengths.values()) != {len(images)}:
        raise ValueError(f"every column needs one entry per image, and at least one; got {lengths}")
    rows = [
        [tile(image, side, smooth=True), *(tile(colour(labels, palette), side) for labels in row)]
        for image, *row in zip(*columns.values(), strict=True)
    ]
    seen = {int(label) for name in [*columns][1:] for labels in columns[name] for label in np.unique(labels)}
    names = legible({label: class_names[label] for label in sorted(seen - {IGNORE})})
    if IGNORE in seen:
        names[IGNORE] = "void"
    entries = [(name, tuple(int(value) for value in palette[label])) for label, name in names.items()]
    return sheet(rows, [*columns], entries, caption=caption)


def tile(picture: ndarray, side: int, *, smooth: bool = False) -> Image.Image:  # (H, W, 3)
    """`picture` with its longer side at `side` pixels; labels are enlarged without mixing colours."""
    factor = side / max(picture.shape[:2])
    size = [max(1, round(length * factor)) for length in (picture.shape[1], picture.shape[0])]
    how = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    return Image.fromarray(np.ascontiguousarray(picture)).resize(size, how)


def sheet(
    rows: Sequence[Sequence[Image.Image]],
    titles: Sequence[str],
    entries: Sequence[tuple[str, tuple[int, int, int]]],
    *,
    caption: str = "",
    ruled: Collection[int] = (),
) -> ndarray:
    """Tiles under `titles`, a `caption` above, and a legend of (name, colour) `entries` below.

    Titles may have several lines, which end at the tiles. A thin line parts the rows whose numbers are in
    `ruled` from those above them.
    """
    caption, heads = written(caption), [[written(line) for line in title.split("\n")] for title in titles]
    widths = [
        max(*map(width_of, head), *(row[column].width for row in rows)) for column, head in enumerate(heads)
    ]
    width = max(sum(widths) + GAP * (len(widths) + 1), width_of(caption) + 2 * GAP)
    legend = wrapped([(written(name), fill) for name, fill in entries], width)
    top = GAP + LINE * (max(map(len, heads)) + bool(caption))
    height = top + sum(max(cell.height for cell in row) + GAP for row in rows) + LINE * len(legend) + GAP
    canvas = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(canvas)

    draw.text((GAP, GAP), caption, INK, font(caption, SIZE))
    lefts = [GAP + sum(widths[:column]) + GAP * column for column in range(len(widths))]
    for left, head in zip(lefts, heads, strict=True):
        for above, line in enumerate(reversed(head), 1):
            draw.text((left, top - LINE * above), line, INK, font(line, SIZE))
    y = top
    for number, row in enumerate(rows):
        if number in ruled:
            draw.line((GAP, y - GAP // 2, width - GAP, y - GAP // 2), RULE, 1)
        for left, cell in zip(lefts, row, strict=True):
            canvas.paste(cell, (left, y))
        y += max(cell.height for cell in row) + GAP
    for places in legend:
        for x, name, fill in places:
            draw.rectangle((x, y + 3, x + 14, y + 17), fill=fill, outline=INK)
            draw.text((x + 20, y + 1), name, INK, font(name, SIZE))
        y += LINE
    return np.asarray(canvas)


def width_of(text: str) -> int:
    """Pixels that `text` takes."""
    return round(font(text, SIZE).getlength(text))


def wrapped(
    entries: Sequence[tuple[str, tuple[int, int, int]]], width: int
) -> list[list[tuple[int, str, tuple[int, int, int]]]]:
    """Lines of (x, name, colour), as many entries in each as fit `width`."""
    lines, x = [[]], GAP
    for name, fill in entries:
        needed = 20 + width_of(name) + 16
        if lines[-1] and x + needed > width:
            lines.append([])
            x = GAP
        lines[-1].append((x, name, fill))
        x += needed
    return lines


def save(picture: ndarray, path: Path | str) -> None:
    """Write RGB uint8 (H, W, 3) to `path` as PNG, whole or not at all; makes its folder."""
    data = io.BytesIO()
    Image.fromarray(picture).save(data, format="PNG")
    write_bytes(path, data.getvalue())
