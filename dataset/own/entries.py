"""The entries of a description that say which value or colour of a mask file means which class."""

from collections.abc import Sequence
from pathlib import Path

from dataset.files import inside
from dataset.own.classes import Colour, read_colours
from dataset.own.description import Description
from utils.labels import IGNORE
from utils.naming import closest

VOID, OTHER = "void", "other"
LARGEST = 2**32 - 1
Interval = tuple[int, int]


def values_of(about: Description) -> list[tuple[Interval | str, str]] | None:
    """First and last value (or OTHER) and class of each entry of `values`; None without that key."""
    if "values" not in about:
        return None
    entries = []
    for key, name in about.typed("values", dict, {}).items():
        if not isinstance(name, str):
            raise about.wrong(f"has the class name {name!r} in values, which is no text to YAML; quote it")
        entries.append((OTHER if key == OTHER else _interval(about, key), name))
    return entries


def _interval(about: Description, key: object) -> Interval:
    first, dash, last = str(key).partition("-")
    if type(key) is int and -LARGEST <= key <= LARGEST:
        return key, key
    if isinstance(key, str) and dash and first.strip().isdigit() and last.strip().isdigit():
        ends = int(first), int(last)
        if ends[0] <= ends[1] <= LARGEST:
            return ends
    raise about.wrong(f"has {key!r} in values; write a number, numbers such as 1-40, or {OTHER}")


def layers_of(about: Description) -> list[tuple[Interval, str]] | None:
    """Values 0, 1, 2, ... of masks whose pages or channels are classes; None for others."""
    for key in ("page", "channel"):
        names = about.content.get(key)
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            first = about.content.get("background")
            rest = first if isinstance(first, str) else VOID
            classes = about.content.get("classes")
            if first is not False and isinstance(classes, list) and classes and not isinstance(first, str):
                rest = classes[0]
            elif first is not False and classes is None and rest == VOID:
                rest = "background"
            return [((0, 0), rest), *(((place, place), name) for place, name in enumerate(names, 1))]
    return None


def void_values(about: Description) -> set[int]:
    """Values that `ignore` gives, and 255 unless `values` says what everything means."""
    values = about.content.get("ignore", IGNORE)
    listed = values if isinstance(values, list) else [values]
    if not all(type(value) is int and 0 <= value <= LARGEST for value in listed):
        raise about.wrong(f"has ignore: {values!r}, which is no number of 0 or more, nor a list of such")
    return {*listed, IGNORE} if "values" not in about else {*listed} if "ignore" in about else set()


def colours_of(about: Description, root: Path) -> list[tuple[str, Colour]]:
    """Name and colour of each entry of `colors`; a name may occur several times."""
    if "colors" not in about:
        return []
    given = about.content["colors"]
    if "ignore" in about:
        raise about.wrong("has ignore: beside colors: ..; give void a colour: colors: {void: [r, g, b], ..}")
    if isinstance(given, str):
        path = inside(root, given, about.path)
        if not path.is_file():
            raise FileNotFoundError(f"there is no {path}, which {about.path} names as colors")
        found = read_colours(path)
        if not found:
            raise about.wrong(f"names {path}, which holds no line such as road,128,64,128")
    elif isinstance(given, dict):
        found = []
        for name, colours in given.items():
            several = isinstance(colours, list) and colours and isinstance(colours[0], (list, str))
            found += [(name, _colour(about, name, one)) for one in (colours if several else [colours])]
    else:
        raise about.wrong("has colors, which is neither {NAME: [r, g, b], ..} nor the name of a file")
    by_colour: dict[Colour, str] = {}
    for name, colour in found:
        if by_colour.setdefault(colour, name) != name:
            raise about.wrong(f"gives the colour {list(colour)} to {by_colour[colour]} and {name}")
    return found


def drawn(about: Description, names: Sequence[str]) -> dict[int, Colour]:
    """Colours that `draw` gives to labels for pictures, whatever masks hold; none without that key."""
    found = {}
    for name, colour in about.typed("draw", dict, {}).items():
        made = _colour(about, name, colour, "draw")
        exact = closest(name, [*names, VOID], f"class in {about.path}, draw:")
        found[IGNORE if exact == VOID and VOID not in names else names.index(exact)] = made
    return found


def _colour(about: Description, name: object, given: object, key: str = "colors") -> Colour:
    if not isinstance(name, str):
        raise about.wrong(f"has the class name {name!r} in {key}, which is no text to YAML; quote it")
    if isinstance(given, str) and len(given) == 7 and given[0] == "#":
        try:
            return tuple(bytes.fromhex(given[1:]))
        except ValueError:
            pass
    if (
        isinstance(given, list)
        and len(given) == 3
        and all(type(one) is int and 0 <= one <= 255 for one in given)
    ):
        return tuple(given)
    raise about.wrong(f'has the colour {given!r} for {name}; write [128, 64, 128] or "#804080"')


def renamed(about: Description, colours: list[tuple[str, Colour]]) -> list[tuple[Colour, str]]:
    """`colours` with the class that `values` gives to their names."""
    classes = about.typed("values", dict, {})
    known = {name for name, _ in colours}
    for name in classes:
        if name not in known:
            if isinstance(name, str):
                closest(name, known, f"colour in {about.path}, values:")
            raise about.wrong(
                f"has {name!r} in values; beside colors, values says which class a named colour is"
            )
    return [(colour, classes.get(name, name)) for name, colour in colours]
