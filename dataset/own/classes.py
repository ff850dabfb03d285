"""Names of classes from files of many habits: one per line, numbered, labelme's, tables of colours."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from utils.labels import IGNORE

HEADERS = {"name", "names", "class", "classes", "label", "labels", "category", "class_name", "classname"}
NUMBERS = {
    "id",
    "index",
    "value",
    "no",
    "number",
    "class_id",
    "label_id",
    "r",
    "g",
    "b",
    "red",
    "green",
    "blue",
}
LABELME_IGNORE, LABELME_BACKGROUND = "__ignore__", "_background_"
NUMBERED = re.compile(r"(-?\d+)\s*[,;:.=\t ]\s*(\S.*)")
NUMBERED_LAST = re.compile(r"(\S.*?)\s*[,;:=\t]\s*(-?\d+)")
MOST = IGNORE - 1
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Line:
    """One line of a class file: its number, and its text."""

    number: int
    text: str


def lines_of(path: Path) -> list[Line]:
    """Lines of a text file without blank ones and comments (`#` at the start).

    Raises:
        ValueError: if it is no text.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text file") from None
    lines = [Line(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    return [line for line in lines if line.text and not line.text.startswith("#")]


def read_names(path: Path) -> list[str]:
    """Class names in `path`, of mask values 0, 1, 2, ...

    Known: one name per line; a header (`name`, `id,name`, ...); numbers from 0 in front or behind; labelme's
    labels.txt, where `__ignore__` is no class and `_background_` is background; comments.

    Raises:
        ValueError: naming the line that is anything else, with what helps.
    """
    lines = lines_of(path)
    colours = read_colours(path, missing_ok=True)
    if colours:
        raise ValueError(
            f"{path} gives each class a colour; write colors: {path.name} in place of classes: .."
        )
    if lines and _is_header(lines[0].text):
        lines = lines[1:]
    for line in lines:
        if line.text[0] in "{[<" or line.text.endswith("{") or line.text.startswith("- "):
            raise ValueError(f"{path}, line {line.number}: {line.text!r} is no name; write one name per line")
    if len(lines) == 1 and re.search("[,;\t]", lines[0].text):
        names = [word.strip() for word in re.split("[,;\t]", lines[0].text) if word.strip()]
        raise ValueError(
            f"{path} has all names in line 1; write one per line, or classes: [{', '.join(names)}]"
        )
    return labelme(_without_numbers(path, lines), str(path))


def _without_numbers(path: Path, lines: list[Line]) -> list[str]:
    for pattern, number, name in ((NUMBERED, 1, 2), (NUMBERED_LAST, 2, 1)):
        found = [pattern.fullmatch(line.text) for line in lines]
        if not lines or not all(found):
            if found and found[0] and len(lines) > 2 and sum(map(bool, found)) > len(lines) / 2:
                line = lines[[bool(one) for one in found].index(False)]
                raise ValueError(
                    f"{path}, line {line.number}: {line.text!r} has no number, but other lines have"
                )
            continue
        values = [int(one[number]) for one in found]
        names = [_bare(one[name]) for one in found]
        if values == list(range(len(values))):
            return names
        pairs = ", ".join(f"{value}: {text}" for value, text in zip(values, names, strict=True))
        raise ValueError(
            f"{path}, line {lines[0].number}: numbers other than 0, 1, 2, ..; if they are the values in the "
            f"masks, write values: {{{pairs}}} in place of classes: .."
        )
    return [_bare(line.text) for line in lines]


def labelme(names: list, source: str) -> list:
    """`names` without labelme's `__ignore__` (-1 or 255), and `_background_` by its usual name.

    Raises:
        ValueError: if one of the two is not where labelme has it, so that values would be shifted.
    """
    if LABELME_IGNORE in names:
        if names[0] != LABELME_IGNORE:
            raise ValueError(
                f"{source} has {LABELME_IGNORE} as entry {names.index(LABELME_IGNORE) + 1}, not as first"
            )
        names = names[1:]
    if LABELME_BACKGROUND in names:
        if names[0] != LABELME_BACKGROUND:
            raise ValueError(f"{source} has {LABELME_BACKGROUND} after {names[0]}; labelme has it as value 0")
        names = ["background", *names[1:]]
    return names


def _bare(name: str) -> str:
    name = " ".join(name.split()).rstrip(",;").strip()
    return name[1:-1] if len(name) > 2 and name[0] == name[-1] and name[0] in "\"'" else name


def _is_header(text: str) -> bool:
    words = [word.strip().strip("\"'").lower() for word in re.split("[,;\t]", text)]
    return any(word in HEADERS for word in words) and all(word in HEADERS | NUMBERS for word in words)


def read_colours(path: Path, *, missing_ok: bool = False) -> list[tuple[str, Colour]]:
    """Names and colours in a table with one `name,r,g,b` (or `r g b name`, `id,name,r,g,b`) per line.

    Raises:
        ValueError: naming the line that is none; with `missing_ok` there are just none then.
    """
    found = []
    for position, line in enumerate(lines_of(path)):
        words = _cells(line.text)
        numbers = [place for place, word in enumerate(words) if re.fullmatch(r"\d{1,3}", word)]
        name = " ".join(word for place, word in enumerate(words) if place not in numbers)
        if len(numbers) == 4 and numbers[0] == 0:  # a number of the class first
            numbers = numbers[1:]
        if len(numbers) == 3 and name and all(int(words[place]) < 256 for place in numbers):
            found.append((name, tuple(int(words[place]) for place in numbers)))
        elif position or not (_is_header(line.text) or len(words) in (4, 5) and not numbers):
            if missing_ok:
                return []
            raise ValueError(
                f"{path}, line {line.number}: {line.text!r} is no name and colour such as road,128,64,128"
            )
    return found


def _cells(text: str) -> list[str]:
    text = re.sub("#([0-9a-fA-F]{6})", lambda found: " ".join(map(str, bytes.fromhex(found[1]))), text)
    cvat = re.fullmatch(r"([^:]+):(\d+),(\d+),(\d+)(:.*)?", text)
    if cvat:  # labelmap.txt
        return list(cvat.groups()[:4])
    for separator in (",", ";", "\t"):
        if separator in text:
            cells = next(csv.reader([text], delimiter=separator))
            words = [word.strip() for word in cells]
            return [part for word in words for part in (word.split() if _triple(word) else [word])]
    return text.split()


def _triple(word: str) -> bool:
    return bool(re.fullmatch(r"\d{1,3}\s+\d{1,3}\s+\d{1,3}", word))
