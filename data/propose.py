"""A description for a tree that has none: the YAML file that `data.check DIR` prints or writes."""

import os
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from data.places import affix_lines, quoted, split_places
from data.tree import Tree, look, spread
from dataset.own.classes import read_colours, read_names
from dataset.own.labels import packed, unpacked
from dataset.own.masks import MaskReading, read_mask
from dataset.own.meaning import BACKGROUND_NAMES
from dataset.own.survey import check_picture
from utils.decoding.decode import Reading, named
from utils.decoding.header import BadFileError
from utils.decoding.opening import read_header
from utils.labels import IGNORE

MASKS, PICTURES = 60, 20  # files that a proposal is made from
MOST_COLOURS = 64
VALUE_WORDS = {0: "background", IGNORE: "void"}


def proposal(root: Path, out: Path | None = None) -> str:
    """The YAML file for the data in `root`, to be written as `out`.

    Raises:
        FileNotFoundError: if no pictures with masks are found; the message says what was.
    """
    tree = look(root)
    places, paired = split_places(tree)
    affixes = affix_lines(tree, places, paired)
    masks = [path for key, paths in tree.masks.items() if key in paired[1] for path in paths]
    photos = [path for key, paths in tree.photos.items() if key in paired[0] for path in paths]
    lines = [f"# {root.name}: proposed by data.check from what it found; look at every line"]
    start = out.parent if out else Path()
    lines.append(f"root: {quoted(os.path.relpath(root, start))}")
    lines += mask_lines(tree, masks)
    lines += picture_lines(photos)
    lines += affixes.splitlines()
    lines += [f"{split}: {text}" for split, text in places.items()]
    return "\n".join(lines) + "\n"


def mask_lines(tree: Tree, paths: list[Path]) -> list[str]:
    """The keys that say what masks hold."""
    how, extra = MaskReading(stated=True), []
    pixels: Counter = Counter()
    coloured = False
    for path in spread(paths, MASKS):
        for _ in range(3):
            try:
                mask = named(path, partial(read_mask, path, how))
            except BadFileError as error:
                if error.kind == "colour masks":
                    coloured, how = True, replace(how, colours=True)
                elif error.cure == "channel: 0" and not coloured:
                    how, extra = replace(how, channel=0), [*extra, error.cure]
                elif error.cure == "lossy: nearest":
                    how, extra = replace(how, lossy=True), [*extra, error.cure]
                else:
                    break
                continue
            pixels.update(shown(mask, coloured))
            break
    if coloured:
        return extra + colour_lines(tree, [tuple(map(int, one)) for one in unpacked(sorted(pixels))])
    return extra + value_lines(tree, sorted(pixels))


def shown(mask, coloured: bool) -> dict[int, int]:
    """Values, or packed colours, of a mask with their pixels."""
    values = mask.values
    if coloured:
        values = packed(values if values.ndim == 3 else mask.palette[values])
    found, pixels = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), pixels.tolist(), strict=True))


def colour_lines(tree: Tree, colours: list[tuple[int, int, int]]) -> list[str]:
    """The table of colours that lies there, else one with names to replace."""
    if tree.colours:
        names = [name for name, _ in read_colours(tree.root / tree.colours)]
        return [f"colors: {quoted(tree.colours)}", *background(names)]
    if len(colours) > MOST_COLOURS:
        return [f"# {len(colours)} colours: too many for classes; what made these masks?"]
    lines = [
        "background: false   # or the name of the class that is",
        "colors:   # replace the names; void is no class",
    ]
    names = ["void" if colour == (0, 0, 0) else f"class_{place}" for place, colour in enumerate(colours)]
    return lines + [
        f"  {name}: [{', '.join(map(str, colour))}]" for name, colour in zip(names, colours, strict=True)
    ]


def value_lines(tree: Tree, values: list[int]) -> list[str]:
    """Names for the values that occur: from the class file, or made up to be replaced."""
    if tree.names:
        names = read_names(tree.root / tree.names)
        return [f"classes: {quoted(tree.names)}   # the names of values 0, 1, 2, ..", *background(names)]
    if len(values) > 254:
        return [
            f"# {len(values)} values, up to {values[-1]}: instances? then divide_by: 1000, "
            "or values: {1-65535: thing}"
        ]
    if values == [0, IGNORE]:
        return ["values: {0: background, 255: foreground}   # replace the names"]
    classes = [value for value in values if value != IGNORE]
    names = {value: VALUE_WORDS.get(value, f"class_{value}") for value in values}
    if classes == list(range(len(classes))):
        return [f"classes: [{', '.join(names[value] for value in classes)}]   # replace the names"]
    words = [f"{value}: {name}" for value, name in names.items()]
    return [f"values: {{{', '.join(words)}}}   # replace the names; several values may have one", *(
        [] if 0 in values else ["background: false"])]  # fmt: skip


def background(names: list[str]) -> list[str]:
    """The key that says that no class is background, unless one is called so."""
    usual = next((name for name in names if name.lower() in BACKGROUND_NAMES), None)
    if usual is None:
        return ["background: false   # or the name of the class that is"]
    return [] if names[0] == usual else [f"background: {quoted(usual)}"]


def picture_lines(paths: list[Path]) -> list[str]:
    """The keys that pictures of more than 8 bits or 3 bands need."""
    reading, lines = Reading(), {}
    for path in spread(paths, PICTURES):
        for _ in range(2):
            try:
                check_picture(path, named(path, partial(read_header, path)), reading)
            except BadFileError as error:
                key, _, value = error.cure.partition(": ")
                if key == "bands":
                    reading = replace(reading, bands=tuple(map(int, value.strip("[]").split(","))))
                    lines[key] = error.cure
                    continue
                if key == "range":
                    lines[key] = max(
                        lines.get(key, error.cure),
                        error.cure,
                        key=lambda cure: float(cure[:-1].split(",")[1]),
                    )
            break
    return list(lines.values())
