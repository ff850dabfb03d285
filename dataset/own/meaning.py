"""What the values or colours of masks mean: from the keys of a description to classes and label tables."""

from dataclasses import dataclass
from pathlib import Path

from dataset.base import voc_palette
from dataset.files import inside
from dataset.own.classes import MOST, Colour, labelme, read_names
from dataset.own.description import Description
from dataset.own.entries import OTHER, VOID, colours_of, layers_of, renamed, values_of, void_values
from dataset.own.labels import DIVIDE, JPEG_GAP, KEEP, UNNAMED, ColourLabels, ValueLabels
from utils.labels import IGNORE
from utils.naming import closest

BACKGROUND_NAMES = ("background", "_background_", "bg")


@dataclass(frozen=True)
class Meaning:
    """Classes, and what in a mask file stands for each.

    Attributes:
        names: of the labels 0, 1, 2, ... has_background: whether label 0 is background.
        labels: from values or colours to labels.
        colours: colour of a label where the description says so.
        stored: a value or a colour that mask files have for each label, or that is free for one that they
            lack; void (255) included if it has one.
    """

    names: tuple[str, ...]
    has_background: bool
    labels: ValueLabels | ColourLabels
    colours: dict[int, Colour]
    stored: dict[int, int | Colour]


def meaning(about: Description, root: Path) -> Meaning:
    """The meaning of the masks that `about` describes.

    Raises:
        ValueError: for whatever contradicts itself; FileNotFoundError: if a file that it names is missing.
    """
    names = _names(about, root)
    colours = colours_of(about, root)
    if colours:
        entries = renamed(about, colours)
    else:
        entries = values_of(about) or layers_of(about)
    derived = names is None
    if derived:
        if not entries:
            raise about.wrong("needs classes: a list of 2 to 254 names, or a file with one per line")
        names = list(dict.fromkeys(name for _, name in entries if name != VOID))
    listed = _checked(about, names)
    names, has_background = _background(about, listed, derived=derived)
    number = {name: label for label, name in enumerate(names)}
    if VOID not in number:
        number[VOID] = IGNORE
    for _, name in entries or ():
        if name not in number:
            closest(name, [*names, VOID], f"class in {about.path}")
    if colours:
        return _coloured(about, entries, names, has_background, number)
    if entries is None:
        entries = _in_order(about, listed)
    return _valued(about, entries, names, has_background, number)


# -- classes -------------------------------------------------------------------------------------------------
def _names(about: Description, root: Path) -> list | None:
    names = about.content.get("classes")
    if names is None and "classes" not in about:
        return None
    if isinstance(names, str):
        path = inside(root, names, about.path)
        if not path.is_file():
            raise FileNotFoundError(f"there is no {path}, which {about.path} names as classes")
        return read_names(path)
    if isinstance(names, dict):
        if list(names) != list(range(len(names))):
            pairs = ", ".join(f"{key}: {value}" for key, value in names.items())
            raise about.wrong(
                f"numbers its classes other than 0, 1, 2, ..: write values: {{{pairs}}} instead"
            )
        names = list(names.values())
    if not isinstance(names, list):
        raise about.wrong("needs classes: a list of 2 to 254 names, or a file with one per line")
    return labelme(names, f"{about.path}, classes,")


def _checked(about: Description, names: list) -> list[str]:
    if not 2 <= len(names) <= MOST:
        many = f"; {len(names)} do not fit into one byte per pixel beside void: merge some by values: ..."
        raise about.wrong(
            f"needs classes: a list of 2 to 254 names, or a file with one per line{many * (len(names) > 2)}"
        )
    for name in names:
        if not isinstance(name, str):
            raise about.wrong(f"has the class name {name!r}, which is no text to YAML; quote it")
    if len(set(names)) < len(names):
        raise about.wrong("gives the same name to two classes")
    return names


def _background(about: Description, names: list[str], *, derived: bool) -> tuple[list[str], bool]:
    said = about.content.get("background", True)
    usual = next((name for name in names if name.lower() in BACKGROUND_NAMES), None)
    if isinstance(said, str):
        if said not in names:
            closest(said, names, f"class in {about.path}, background:")
            raise about.wrong(f"has background: {said!r}; write it as in classes")
        return [said, *(name for name in names if name != said)], True
    has_background = about.typed("background", bool, True)
    if "background" in about:
        return names, has_background
    if derived and usual:
        return [usual, *(name for name in names if name != usual)], True
    if derived:
        raise about.wrong(
            "has no class called background: give background: false, or background: NAME for one of "
            f"{', '.join(names)}",
            "background: false",
        )
    if usual and names[0] != usual and names[0].lower() not in BACKGROUND_NAMES:
        cure = f"background: {usual}"
        raise about.wrong(f"has {names[0]} as first class, which would be background: give {cure}", cure)
    return names, True


# -- tables --------------------------------------------------------------------------------------------------
def _in_order(about: Description, names: list[str]) -> list[tuple[tuple[int, int], str]]:
    """The classes `names`, in the order of the file, as values 0, 1, 2, ... without those that mean void."""
    void = void_values(about)
    values = (value for value in range(2 * MOST + len(void)) if value not in void)
    return [((value, value), name) for value, name in zip(values, names, strict=False)]


def _coloured(about, entries, names, has_background, number) -> Meaning:
    nearest = about.choice("lossy", "nearest") == "nearest"
    table = ColourLabels(tuple((*colour, number[name]) for colour, name in entries), nearest)
    first = {number[name]: colour for colour, name in reversed(entries)}
    free = (tuple(map(int, colour)) for colour in voc_palette() if tuple(colour) not in set(first.values()))
    stored = {label: first.get(label) or next(free) for label in range(len(names))} | first
    return Meaning(tuple(names), has_background, table, first, stored)


def _valued(about, entries, names, has_background, number) -> Meaning:
    nearest = about.choice("lossy", "nearest") == "nearest"
    divisor, small = _divisor(about)
    intervals = tuple((*key, number[name]) for key, name in entries if key != OTHER)
    other = next((number[name] for key, name in entries if key == OTHER), UNNAMED)
    void = tuple(sorted(void_values(about)))
    twice = next((value for value in void if divisor == 1 and any(value == first == last and label != IGNORE
                  for first, last, label in intervals)), None)  # fmt: skip
    if twice is not None and "ignore" in about:
        raise about.wrong(f"has the value {twice} in values and in ignore")
    table = ValueLabels(intervals, other, void, divisor, small, nearest)
    if nearest:
        _check_gaps(about, table)
    stored = {label: first * divisor for first, _, label in reversed(intervals)}
    if other not in (UNNAMED, IGNORE):
        stored.setdefault(other, int((table.table == other).argmax()) * divisor)
    free = (value for value in range(65536) if value not in {*stored.values(), *void})
    stored |= {label: next(free) for label in range(len(names)) if label not in stored}
    if void:
        stored.setdefault(IGNORE, IGNORE if IGNORE in void else void[0])
    return Meaning(tuple(names), has_background, table, {}, stored)


def _divisor(about: Description) -> tuple[int, str]:
    if "divide_by" not in about:
        return 1, ""
    given = about.content["divide_by"]
    divisor, *small = given if isinstance(given, list) and given else [given]
    if type(divisor) is not int or divisor < 2 or small not in ([], [KEEP], [DIVIDE]):
        raise about.wrong(
            f"has divide_by: {given!r}; write divide_by: 1000, [1000, {KEEP}] or [1000, {DIVIDE}]"
        )
    return divisor, "".join(small)


def _check_gaps(about: Description, table: ValueLabels) -> None:
    named = sorted((first, label) for first, last, label in table.named if first == last)
    named += [(value, IGNORE) for value in table.void if value > named[-1][0]]
    for (value, label), (after, next_label) in zip(named, named[1:], strict=False):
        if label != next_label and after - value < JPEG_GAP:
            raise about.wrong(
                f"has lossy: nearest, but the values {value} and {after} lie too close together for it"
            )
