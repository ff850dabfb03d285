"""From what a mask file holds to the labels of a data set, whole arrays at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from dataset.own.masks import Mask
from utils.decoding.header import BadFileError
from utils.labels import IGNORE

UNNAMED = 254  # label of values that nothing is said about; there are at most 254 classes
JPEG_GAP = 16  # values of two classes in a JPEG may not lie closer
KEEP, DIVIDE = "keep", "divide"
Interval = tuple[int, int, int]  # first and last value, label


@dataclass(frozen=True)
class ValueLabels:
    """Labels of values.

    Args:
        named: intervals of values and their label; shorter ones win over longer ones.
        other: label of all other values.
        void: values that are void before anything is divided.
        divisor: class = value // divisor, 1 for plain values.
        small: "keep" if values below the divisor are classes as they are, "divide" if they are not.
        nearest: whether a value without a name means the nearest that has one (of one byte).
    """

    named: tuple[Interval, ...]
    other: int = UNNAMED
    void: tuple[int, ...] = ()
    divisor: int = 1
    small: str = ""
    nearest: bool = False

    def labels(self, mask: Mask, path: Path) -> np.ndarray:
        """Labels uint8 (H, W); UNNAMED where a value has no name."""
        values = mask.values
        if self.divisor == 1:
            return self._look_up(values)
        labels = self._look_up(self._divided(values, path))
        for value in self.void:
            labels[values == value] = IGNORE
        return labels

    def names(self, value: int) -> int:
        """Label of one value."""
        return int(self._look_up(np.array([value], np.int64))[0])

    @cached_property
    def _steps(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the label changes, ascending; the labels before, between and after."""
        void = [(value, value, IGNORE) for value in (self.void if self.divisor == 1 else ())]
        painted = sorted([*self.named, *void], key=lambda interval: interval[0] - interval[1])
        starts = sorted({edge for first, last, _ in painted for edge in (first, last + 1)})
        labels = np.full(len(starts) + 1, self.other, np.uint8)
        for first, last, label in painted:
            labels[starts.index(first) + 1 : starts.index(last + 1) + 1] = label
        return np.array(starts, np.int64), labels

    @cached_property
    def table(self) -> np.ndarray:
        """Label of each value of two bytes, uint8 (65536,)."""
        values = np.arange(65536)
        if self.nearest:
            singles = np.array(
                sorted([first for first, last, _ in self.named if first == last] + [*self.void])
            )
            values = singles[np.abs(values[:, None] - singles).argmin(axis=1)]
        starts, labels = self._steps
        return labels[np.searchsorted(starts, values, "right")]

    @cached_property
    def identical(self) -> bool:
        """Whether the values of named classes are their labels, and 255 is void."""
        known = self.table[:256]
        named = known != UNNAMED
        return self.divisor == 1 and bool((known == np.arange(256))[named].all()) and bool(named[IGNORE])

    def _look_up(self, values: np.ndarray) -> np.ndarray:
        if values.dtype == np.uint8:
            return values if self.identical else self.table[:256].take(values)
        if values.size and values.min() >= 0 and values.max() < 65536:
            return self.table.take(values)
        starts, labels = self._steps
        return labels[np.searchsorted(starts, values, "right")]

    def _divided(self, values: np.ndarray, path: Path) -> np.ndarray:
        small = (values > 0) & (values < self.divisor) & ~np.isin(values, self.void)
        if not small.any():
            return values // self.divisor
        if not self.small:
            raise BadFileError(
                f"{path} has value {values[small][0]}, below divide_by: {self.divisor}: give divide_by: "
                f"[{self.divisor}, {KEEP}] if it is a class as it is, or [{self.divisor}, {DIVIDE}] if it is "
                "of class 0",
                kind="values below divide_by", cure=f"divide_by: [{self.divisor}, {KEEP}]",
            )  # fmt: skip
        return (
            np.where(small, values, values // self.divisor) if self.small == KEEP else values // self.divisor
        )


@dataclass(frozen=True)
class ColourLabels:
    """Labels of colours.

    Args:
        colours: red, green, blue and label of each colour that has a name.
        nearest: whether another colour means the nearest of these.
    """

    colours: tuple[tuple[int, int, int, int], ...]
    nearest: bool = False

    def labels(self, mask: Mask, path: Path) -> np.ndarray:
        """Labels uint8 (H, W); UNNAMED where a colour has no name."""
        if mask.palette is not None:
            return self._of(mask.palette[None])[0].take(mask.values)
        return self._of(mask.values)

    def _of(self, colours: np.ndarray) -> np.ndarray:  # uint8 (H, W, 3)
        if not self.nearest:
            return colour_table(self.colours).take(packed(colours))
        shown, place = np.unique(packed(colours), return_inverse=True)
        known = np.array(self.colours)
        distances = ((unpacked(shown)[:, None] - known[None, :, :3]) ** 2).sum(axis=2)
        return known[distances.argmin(axis=1), 3].astype(np.uint8)[place].reshape(colours.shape[:2])


def packed(colours: np.ndarray) -> np.ndarray:
    """Colours uint8 (..., 3) as one number each, int32."""
    red, green, blue = np.moveaxis(colours.astype(np.int32), -1, 0)
    return red << 16 | green << 8 | blue


def unpacked(numbers: np.ndarray) -> np.ndarray:
    """The reverse of `packed`, int64 (..., 3)."""
    numbers = np.asarray(numbers, np.int64)
    return np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], axis=-1)


@lru_cache(maxsize=2)
def colour_table(colours: Sequence[tuple[int, int, int, int]]) -> np.ndarray:
    """Label of every colour there is, uint8 (2**24,): 16 MB, of which an image touches a few lines."""
    table = np.full(1 << 24, UNNAMED, np.uint8)
    for red, green, blue, label in colours:
        table[red << 16 | green << 8 | blue] = label
    return table


def unnamed(
    mask: Mask, labels: np.ndarray, num_classes: int, *, coloured: bool
) -> dict[int | tuple[int, int, int], int]:
    """Values (or colours) of `mask` that have no name, with their pixels, most frequent first."""
    values = mask.values[(labels >= num_classes) & (labels != IGNORE)]
    if values.ndim == 2:
        values = packed(values)
    elif coloured:
        values = packed(mask.palette)[values]
    shown, pixels = np.unique(values, return_counts=True)
    order = np.argsort(-pixels, kind="stable")
    keys = [tuple(map(int, colour)) for colour in unpacked(shown)] if coloured else list(map(int, shown))
    return {keys[place]: int(pixels[place]) for place in order}
