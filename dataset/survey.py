"""What one look at an image and its mask tells: the labels' pixels, and whatever speaks against the pair."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from utils.decoding.header import BadFileError, Header
from utils.labels import IGNORE


@dataclass(frozen=True)
class Survey:
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
    unnamed: dict = field(default_factory=dict)
    shown: np.ndarray | None = None
    palette: np.ndarray | None = None
    image: Header | None = None
    mask: Header | None = None


def count(labels: Tensor | np.ndarray) -> np.ndarray:  # uint8 (H, W)
    """Pixels of each label, int64 (256,)."""
    return torch.bincount(torch.as_tensor(labels).flatten(), minlength=256).numpy()


def strange(counts: np.ndarray, num_classes: int) -> np.ndarray:
    """Labels that occur, but are neither of `num_classes` classes nor void."""
    return num_classes + np.flatnonzero(counts[num_classes:IGNORE])


def agreed(
    surveys: Sequence[Survey], masks: Sequence[Path | None], what: str
) -> tuple[np.ndarray, np.ndarray]:
    """Colour of each value, int16 (256, 3), -1 where no palette shows it; an image that has it, int64 (256,).

    Raises:
        BadFileError: if two files give a value that both have two colours.
    """
    colours, witness = np.full((256, 3), -1, np.int16), np.full(256, -1, np.int64)
    for position, survey in enumerate(surveys):
        if survey.palette is None:
            continue
        known = witness >= 0
        differ = survey.shown & known & (colours != survey.palette).any(axis=1)
        if differ.any():
            value = int(differ.argmax())
            raise disagreement(
                value, (masks[witness[value]], colours[value]), (masks[position], survey.palette[value]), what
            )
        new = survey.shown & ~known
        colours[new], witness[new] = survey.palette[new], position
    return colours, witness


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
