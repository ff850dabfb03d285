"""Text files that name pictures and their masks, or just names, with any of the usual separators."""

import csv
import re
import unicodedata
from pathlib import Path

from dataset.files import PICTURES, inside
from dataset.own.classes import Line, lines_of

SEPARATORS = ("\t", ";", ",")
ENDING = "|".join(re.escape(ending) for ending in PICTURES)
TWO_NAMES = re.compile(rf"(.*?(?:{ENDING}))\s+(\S.*)", re.IGNORECASE)
IMAGE_WORDS = ("image", "img", "photo", "picture", "input", "file", "rgb")
MASK_WORDS = ("mask", "label", "annotation", "seg", "gt", "target")


def read_pairs(path: Path, root: Path) -> list[tuple[Path, Path]]:
    """Picture and mask in each line of `path`: separated by tab, semicolon, comma or blanks; header allowed.

    Where a header names more than two columns, those of picture and mask are found by their names. Names may
    hold blanks. Paths are below `root`, also if they begin with a slash.

    Raises:
        ValueError: naming the line that is anything else. FileNotFoundError: if there is no `path`.
    """
    lines = _lines(path)
    separator = _separator(lines)
    image, mask = 0, 1
    if lines and _is_header(lines[0].text):
        image, mask = _columns(path, lines[0], separator)
        lines = lines[1:]
    found = []
    for line in lines:
        cells = _cells(line.text, separator)
        if len(cells) <= max(image, mask) or (image, mask) == (0, 1) and len(cells) != 2:
            raise ValueError(
                f"{path}: each line must name an image and its mask, separated by tab, comma or blanks; line "
                f"{line.number} is {line.text!r}"
            )
        found.append((_file(root, cells[image], path), _file(root, cells[mask], path)))
    return found


def read_ids(path: Path) -> list[Line]:
    """One name per line of `path`: of an image, with or without its folder and extension.

    Raises:
        FileNotFoundError, ValueError: if there is no such text.
    """
    return [Line(line.number, line.text.strip("\"',;")) for line in _lines(path)]


def _lines(path: Path) -> list[Line]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}")
    return lines_of(path)


def _separator(lines: list[Line]) -> str:
    """The separator that cuts every line into the same number of cells, "" for blanks."""
    for separator in SEPARATORS:
        numbers = {len(_cells(line.text, separator)) for line in lines}
        if len(numbers) == 1 and numbers.pop() > 1:
            return separator
    return ""


def _cells(text: str, separator: str) -> list[str]:
    if separator:
        return [cell.strip() for cell in next(csv.reader([text], delimiter=separator, skipinitialspace=True))]
    words = text.split()
    ends = len(re.findall(rf"(?:{ENDING})(?=\s|$)", text, re.IGNORECASE))
    two = TWO_NAMES.fullmatch(text) if len(words) > 2 and ends == 2 else None  # names with blanks
    return [two[1], two[2]] if two else words


def _is_header(text: str) -> bool:
    """Whether a line names columns: a word for picture or mask, and nothing that a path has."""
    return not re.search(r"[/\\.]", text) and any(word in text.lower() for word in IMAGE_WORDS + MASK_WORDS)


def _columns(path: Path, header: Line, separator: str) -> tuple[int, int]:
    names = [cell.lower() for cell in _cells(header.text, separator)]
    if len(names) == 2:
        swapped = _first(names, MASK_WORDS) == 0 and _first(names, IMAGE_WORDS) != 0
        return (1, 0) if swapped else (0, 1)
    mask = _first(names, MASK_WORDS)
    image = _first([name if place != mask else "" for place, name in enumerate(names)], IMAGE_WORDS)
    if image is None or mask is None:
        raise ValueError(
            f"{path}, line {header.number}: call the columns of picture and mask `image` and `mask`"
        )
    return image, mask


def _first(names: list[str], words: tuple[str, ...]) -> int | None:
    return next((place for word in words for place, name in enumerate(names) if word in name), None)


def _file(root: Path, name: str, source: Path) -> Path:
    if Path(name).is_relative_to(root.absolute()):
        name = str(Path(name).relative_to(root.absolute()))
    if "\\" in name and not (root / name).exists():
        name = name.replace("\\", "/")
    path = inside(root, name.removeprefix("./"), source)
    if name.isascii() or path.exists():
        return path
    forms = (inside(root, unicodedata.normalize(form, name), source) for form in ("NFC", "NFD"))
    return next((form for form in forms if form.exists()), path)
