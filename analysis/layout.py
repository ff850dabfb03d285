"""Where the tiles of a picture of several networks stand: beside each other, or a row for each run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from PIL import Image, ImageDraw

from analysis.overlays import heading
from utils.pictures.fonts import font, written
from utils.pictures.segmentations import INK, PAPER

WIDE = 8  # tiles that stand beside each other at most
Key = tuple[str, int]  # run and step
Answers = Mapping[Key, tuple[ndarray, ndarray, ndarray]]


@dataclass(frozen=True)
class Picture:
    """One image of the sheet: its name, its tile, its truth's tile (None for a photo), and what draws the
    tile of the network after a step of a run.
    """

    name: str
    image: Image.Image
    truth: Image.Image | None
    draw: Callable[[Key], Image.Image]


def distinct(answers: Sequence[Answers]) -> dict[Key, list[str]]:
    """Networks that say different things of some image, each with the names of all runs that have it.

    Args:
        answers: of each image; keys in the order of runs and steps. Runs that share step 0 share its answers.
    """
    found: dict[Key, list[str]] = {}
    for run, step in answers[0]:
        for other, runs in found.items():
            if other[1] == step and all(_equal(one[run, step], one[other]) for one in answers):
                runs.append(run)
                break
        else:
            found[run, step] = [run]
    return found


def _equal(one: Sequence[ndarray], other: Sequence[ndarray]) -> bool:
    return all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


def arrange(
    pictures: Sequence[Picture], networks: Mapping[Key, Sequence[str]], after: Mapping[int, str]
) -> tuple[list[list[Image.Image]], list[str], Sequence[int]]:
    """Rows of tiles, the headings of the columns, and the rows to be ruled off: arguments of `sheet`.

    Args:
        networks: see `distinct`. after: what to call each step, such as "after step 1 (+ car)".
    """
    runs = list(dict.fromkeys(run for names in networks.values() for run in names))
    truths = any(one.truth is not None for one in pictures)
    if 1 + truths + len(networks) > WIDE and len(runs) > 1:
        return _row_per_run(pictures, networks, runs, after)
    rows = []
    for one in pictures:
        truth = [one.truth or _blank(one)] if truths else []
        rows.append([_named(one), *truth, *(one.draw(key) for key in networks)])
    titles = ["image", *["truth"] * truths]
    for (_, step), names in networks.items():
        who = "" if len(names) == len(runs) else f"{', '.join(names)}\n"
        titles.append(f"{who}{after[step]}")
    return rows, titles, ()


def _row_per_run(pictures, networks, runs: Sequence[str], after: Mapping[int, str]):
    """Image over truth in the first column; a network that several runs have stands in one row only."""
    owner = {(run, key[1]): key for key, names in networks.items() for run in names}
    rows = []
    for one in pictures:
        left = [_named(one), *([one.truth] if one.truth else [])]
        for number in range(max(len(runs), len(left))):
            run = runs[number] if number < len(runs) else ""
            cells = [one.draw((run, step)) if owner.get((run, step)) == (run, step) else _blank(one)
                     for step in after]  # fmt: skip
            first = left[number] if number < len(left) else _blank(one)
            rows.append([heading(run, "", height=first.height), first, *cells])
    every = len(rows) // len(pictures)
    return rows, ["", "image, truth", *after.values()], range(every, len(rows), every)


def _blank(one: Picture) -> Image.Image:
    return Image.new("RGB", one.image.size, PAPER)


def _named(one: Picture) -> Image.Image:
    """The image with its name in the lower left corner."""
    made, name = one.image.copy(), written(one.name)
    letters = font(name, 10)
    if letters.getlength(name) < made.width - 6:
        place = (4, made.height - 4)
        ImageDraw.Draw(made).text(place, name, INK, letters, anchor="ls", stroke_width=2, stroke_fill=PAPER)
    return made
