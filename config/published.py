"""What was published: every known number, from `data/published.csv`, the only place where they stand.

A line is one number of one method in one task. Recipes that run it are named in its last column; where
several lines name a recipe, the first is its target, and the others are honest values of the same cell, too.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from metrics.scores import harmonic

FILE = Path(__file__).resolve().parent.parent / "data" / "published.csv"
UNKNOWN = "not stated"
JOINT = "joint"  # training on all classes at once, which competes with nobody
CONVENTIONS = {
    "I": "background counts as an old class",
    "X": "background is left out",
    "N": "the classes have no background",
    "?": "not stated whether background counts",
}
# How tests look at images, and which network is tested. At the last step all classes are known.
EVALUATIONS = {
    "MiB": "centre crop of 512; future classes are ignored; the last network",
    "PLOP": "centre crop of 512; future classes count as background; the last network",
    "SSUL": "crop of 513; future classes are ignored; the network that was best on the test images",
    "DKD": "centre crop of 512; future classes count as background on VOC and are ignored on ADE20K",
    "masks, background": "shorter side 512; unlabelled and future pixels count as background",
    "masks, ignored": "shorter side 512; unlabelled and future pixels are ignored",
    UNKNOWN: "not stated where the number was read",
}
EVIDENCE = {
    "table": "read in its authors' table or figure",
    "files": "computed from result files that its authors released",
    "weights": "measured by its authors on the weights that they released",
    "rerun": "measured by the authors of another paper, with its code or their own",
    "quoted": "read in another paper's table, which quotes it",
    "secondary": "read on a page about it",
    "recalled": "from its paper's table, and not checked against a copy",
}
SETTINGS = ("overlap", "disjoint", "sequential", "partitioned")


@dataclass(frozen=True)
class Number:
    """What a method reached somewhere.

    Attributes:
        method: as `--method` names it where there is one. year: of its paper, 0 for baselines.
        dataset, task, setting, backbone: as flags name them; `mask2former:` stands before its body.
        pretraining: of the backbone. memory: old images that it keeps, `not stated` where nobody says.
        evaluation: key of EVALUATIONS. convention: key of CONVENTIONS.
        old, new, all, hiou, avg: in per cent, None where not published (hiou: the harmonic mean of
            old and new; avg: the mean of all over the steps).
        evidence: key of EVIDENCE. source: where it was read. note: what a reader must know.
    """

    method: str
    year: int
    dataset: str
    task: str
    setting: str
    backbone: str
    pretraining: str
    memory: str
    evaluation: str
    convention: str
    old: float | None
    new: float | None
    all: float | None
    hiou: float | None
    avg: float | None
    evidence: str
    source: str
    note: str


@dataclass(frozen=True)
class Published(Number):
    """One published number. recipe: names of the recipes that run it."""

    recipe: tuple[str, ...]


COLUMNS = tuple(field.name for field in fields(Published))
SCORES = ("old", "new", "all", "hiou", "avg")


@cache
def read_published(path: Path = FILE) -> tuple[Published, ...]:
    """All published numbers, in file order.

    Raises:
        ValueError: if a line does not fit the schema, with its number and what is wrong.
    """
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(file)
        if tuple(lines.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path} must have the columns {','.join(COLUMNS)}")
        return tuple(_line(line, f"{path}, line {lines.line_num}") for line in lines)


def _line(line: Mapping[str, str], place: str) -> Published:
    """One line of the file, its values checked."""
    if None in line or None in line.values():
        raise ValueError(f"{place} does not have {len(COLUMNS)} cells")
    allowed = {
        "convention": CONVENTIONS,
        "evaluation": EVALUATIONS,
        "evidence": EVIDENCE,
        "setting": SETTINGS,
    }
    for name, values in allowed.items():
        if line[name] not in values:
            raise ValueError(f"{place}: {name} is {line[name]!r}, not one of {', '.join(values)}")
    if line["memory"] != UNKNOWN and not line["memory"].isdecimal():
        raise ValueError(f"{place}: memory is a number of images, or {UNKNOWN}")
    if not all(line[name] for name in ("method", "dataset", "task", "backbone", "pretraining", "source")):
        raise ValueError(f"{place} lacks a value that every line must have")
    try:
        scores = {name: float(line[name]) if line[name] else None for name in SCORES}
        year = int(line["year"] or 0)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
    if not all(value is None or 0 <= value <= 100 for value in scores.values()) or not any(scores.values()):
        raise ValueError(f"{place} needs at least one number, in per cent")
    return Published(**line | scores | {"year": year, "recipe": tuple(line["recipe"].split())})


@cache
def published_for(recipe: str) -> Mapping[str, object]:
    """What was published for the recipe of that name; {} without.

    Returns:
        old, new, all and avg where known, convention and source of the first line that names it, and `also`:
        the values of all of the other lines, as far as they are of its convention or do not say.
    """
    found = [one for one in read_published() if recipe in one.recipe]
    if not found:
        return {}
    first, *others = found
    values = {name: getattr(first, name) for name in ("old", "new", "all", "avg")}
    about = {name: value for name, value in values.items() if value is not None}
    about |= {"convention": first.convention, "source": first.source}
    alike = [one for one in others if one.convention in (first.convention, "?") and one.all is not None]
    also = [value for value in dict.fromkeys(one.all for one in alike) if value != first.all]
    return about | ({"also": also} if also else {})


def harmonic_mean(one: Published) -> float | None:
    """The published harmonic mean of old and new in per cent, else that of the published old and new."""
    return harmonic(one.old, one.new) if one.hiou is None else one.hiou


def discrepancy(one: Published, classes: Sequence[int]) -> float | None:
    """How far `all` is from what old and new give, in points; None where that cannot be said.

    Args:
        one: the number. classes: how many are old and how many new, background left out.
    """
    old, new = classes[0] + (one.convention == "I"), classes[1]
    if None in (one.old, one.new, one.all) or one.convention == "?":
        return None
    return one.all - (old * one.old + new * one.new) / (old + new)
