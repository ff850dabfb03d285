"""What one look at an image and its mask tells: the labels' pixels, and whatever speaks against the pair."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from utils.decoding.header import BadFileError, Header
from utils.labels import IGNORE


class Survey(NamedTuple):
    """What is known of a pair after its mask was decoded.

    Attributes:
        counts: pixels of each label, int64 (256,).
        complaints: why it cannot be used, the gravest first.
        unnamed: values or colours without a name, with their pixels.
        shown: which values an indexed mask has, bool (256,). palette: their colours, uint8 (256, 3).
        image, mask: headers of the files, where they were read.
    """

    counts: np.ndarray
    complaints: tuple[BadFileError, ...] = ()
    unnamed: Mapping = MappingProxyType({})
    shown: np.ndarray | None = None
    palette: np.ndarray | None = None
    image: Header | None = None
    mask: Header | None = None


def count(labels: ArrayLike) -> np.ndarray:  # uint8 (H, W)
    """Pixels of each label, int64 (256,)."""
    return np.bincount(np.asarray(labels).ravel(), minlength=256)


def mapped(counts: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Pixels of each label where `table` (256,) has the labels of values, of which there are `counts`."""
    return np.bincount(table, counts, minlength=256).astype(np.int64)


def strange(counts: np.ndarray, num_classes: int) -> np.ndarray:
    """Labels that occur, but are neither of `num_classes` classes nor void."""
    return num_classes + counts[num_classes:IGNORE].nonzero()[0]


class SeenColours:
    """The colours that the palettes of masks give to values.

    Args:
        samples: whose masks are looked at. what: they are, for messages.

    Attributes:
        colours: of each value, int16 (256, 3), -1 where no palette shows it.
        witness: position of a sample that has it, int64 (256,), -1 where none has.
    """

    def __init__(self, samples: Sequence, what: str):
        self.samples, self.what = samples, what
        self.colours, self.witness = np.full((256, 3), -1, np.int16), np.full(256, -1, np.int64)
        self._last: tuple = (None, None)  # a palette, and the values whose colours are known to be its own

    def add(self, position: int, survey: Survey) -> None:
        """Note the palette of the mask at `position`, if it has one.

        Raises:
            BadFileError: if it gives a value that another mask has, too, another colour.
        """
        if survey.palette is None:
            return
        palette, (last, agrees) = survey.palette, self._last
        if palette is last and not (survey.shown & ~agrees).any():
            return
        known = self.witness >= 0
        differ = survey.shown & known & (self.colours != palette).any(axis=1)
        if differ.any():
            value = int(differ.argmax())
            first = self.samples[int(self.witness[value])].mask, self.colours[value]
            raise disagreement(value, first, (self.samples[position].mask, palette[value]), self.what)
        new = survey.shown & ~known
        self.colours[new], self.witness[new] = palette[new], position
        self._last = palette, (self.witness >= 0) & (self.colours == palette).all(axis=1)


def disagreement(value: int, one: tuple, other: tuple, what: str) -> BadFileError:
    """The refusal of two palettes; `one` and `other` are a file and the colour that it gives to `value`."""
    (first, colour), (second, another) = one, other
    return BadFileError(
        f"{what}: the palettes disagree: value {value} is {rgb_words(colour)} in {first} and "
        f"{rgb_words(another)} in "
        f"{second}; if colours tell the classes, give colors: {{NAME: [r, g, b], ..}}, if values do, "
        "palette: ignore",
        kind="palettes that disagree", cure="palette: ignore",
    )  # fmt: skip


def rgb_words(colour: Sequence[int]) -> str:
    """A colour as a description has it."""
    return f"[{', '.join(str(int(one)) for one in colour)}]"
