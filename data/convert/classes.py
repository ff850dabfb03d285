"""Which value a class gets: background 0, the classes 1, 2, ... in the order of the list, void 255."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from utils.labels import BACKGROUND, IGNORE
from utils.naming import closest

BACKGROUNDS, VOIDS = ("background", "_background_"), ("__ignore__", "void")
MOST = 254  # labels of one byte, beside 255 for void
RESTS = {"background": BACKGROUND, "void": IGNORE}


@dataclass(frozen=True)
class Classes:
    """The values of a conversion.

    Args:
        names: of the values 0, 1, 2, ...; background is the first.
        rest: what becomes of classes that the list does not have: "background", "void", or "" to refuse them.
    """

    names: tuple[str, ...]
    rest: str = ""

    def value(self, name: str, where: object) -> int:
        """The value of the class `name`, which `where` has.

        Raises:
            ValueError: if there is no such class; names the nearest.
        """
        if name in VOIDS:
            return IGNORE
        if name in BACKGROUNDS:
            return BACKGROUND
        if name in self.names:
            return self.names.index(name)
        if self.rest:
            return RESTS[self.rest]
        try:
            closest(name, self.names, "class")
            what = "is written otherwise in the list of classes"
        except ValueError as error:
            what = f"is no class of the list ({str(error).partition('; ')[2]})"
        raise ValueError(f"{where}: {name!r} {what}; add it to the file of --classes, or say --rest void")


def classes_of(listed: Path | None, found: Mapping[str, object] | Iterable[str], rest: str = "") -> Classes:
    """The classes in the file `listed`, else those `found`; background comes first whether listed or not.

    Raises:
        FileNotFoundError: if there is no such file. ValueError: if it is no list of names, or too long.
    """
    lines = list(found)
    if listed is not None:
        if not listed.is_file():
            raise FileNotFoundError(f"--classes: there is no {listed}")
        lines = [line.strip() for line in listed.read_text("utf-8-sig").splitlines()]
    names = [name for name in lines if name and name not in (*BACKGROUNDS, *VOIDS)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{listed} lists {twice!r} twice")
    if not 1 <= len(names) < MOST:
        raise ValueError(
            f"there are {len(names)} classes; a mask of one byte holds 1 to {MOST - 1} beside background and "
            "void: list those that you want in a file, --classes FILE --rest background"
        )
    return Classes(("background", *names), rest)
