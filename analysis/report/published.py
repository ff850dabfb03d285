"""What was published for a method in a setting, and whether a result is as near as honest sources are."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from config.published_numbers import band
from config.recipes import Row, rows

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """One published cell, in per cent.

    Attributes:
        old, new: None if not published. every: all published mIoU of all classes, the first of `source`;
            empty if only step 0 is known.
        convention: "I" (background is an old class) or "X" (left out).
        band: how far from the nearest a reproduction usually is.
        step0: mIoU and tolerance after step 0, () if unknown.
        protocol: it was measured under, "" if it is the results' own.
    """

    old: float | None
    new: float | None
    every: tuple[float, ...]
    convention: str
    source: str
    band: float
    step0: tuple[float, ...]
    protocol: str

    def off(self, share: float) -> float:
        """How far `share` (of 1) is from the nearest published value, in points."""
        return min((100 * share - value for value in self.every), key=abs)

    def inside(self, share: float) -> bool:
        """Whether it is inside the band."""
        return abs(self.off(share)) <= self.band

    @property
    def words(self) -> str:
        """Values and convention, e.g. "54.64, 56.4 (I)"."""
        protocol = f", protocol {self.protocol}" if self.protocol else ""
        return f"{', '.join(f'{value:g}' for value in self.every)} ({self.convention}{protocol})"


@cache
def known_rows() -> list[Row]:
    """The rows of the recipes; none, with a warning, if their file cannot be read."""
    try:
        return rows()
    except (ValueError, OSError) as error:
        log.warning(f"no published values beside the results: {error}")
        return []


def published_values(setting: Mapping[str, str], num_steps: int) -> list[Published]:
    """What recipes know of a method, dataset, task, setting, backbone and protocol; each once."""
    found = {}
    for row in known_rows():
        if row.published and row.fits(setting):
            about = row.published
            every = tuple(
                float(value) for value in [about.get("all"), *about.get("also", [])] if value is not None
            )
            convention, source = about.get("convention", "I"), str(about.get("source", row.source))
            old, new = about.get("old"), about.get("new")
            protocol = str(row.values.get("protocol", setting["protocol"]))
            unlike = "" if protocol == setting["protocol"] else protocol
            width, step0 = band(row, num_steps), tuple(about.get("step0", ()))
            one = Published(old, new, every, convention, source, width, step0, unlike)
            found.setdefault((convention, every), one)
    return list(found.values())


def nearest(cells: Sequence[Published], convention: str, share: float) -> Published | None:
    """The cell of that convention whose value is nearest, if there is one."""
    alike = [cell for cell in cells if cell.convention == convention and cell.every]
    return min(alike, key=lambda cell: abs(cell.off(share)), default=None)
