"""What a mask file holds, before anything is made of it: values or colours, as stored."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from utils.decoding.header import BadFileError, Header
from utils.decoding.opening import LIMIT, header_of, opened, read_header
from utils.decoding.pixels import as_stored, stored_bands, turned

GREY = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
PANOPTIC = "panoptic"
SINGLE = ("1", "L", "P", "I;16", "I;16B", "I;16L", "I", "F")  # modes of one channel


@dataclass(frozen=True)
class MaskReading:
    """Which of the numbers in a mask file are the mask.

    Args:
        page: the page that holds it, or the classes that have a page each. channel: likewise, "panoptic" for
            R + 256 G + 65536 B, or the three channels of a colour.
        lossy: whether values that JPEG has blurred may be taken. colours: whether colours are looked up.
        stated: whether the meaning of values is written down, so that whole numbers in floats may be taken.
        exif: "stored" leaves pixels as they are stored. max_pixels: more are refused.
    """

    page: int | tuple[str, ...] | None = None
    channel: int | str | tuple[str, ...] | tuple[int, ...] | None = None
    lossy: bool = False
    colours: bool = False
    stated: bool = False
    exif: str = ""
    max_pixels: int = LIMIT


@dataclass(frozen=True)
class Mask:
    """A decoded mask: integers (H, W), or colours uint8 (H, W, 3); the palette if they index one."""

    values: np.ndarray
    header: Header
    palette: np.ndarray | None = None


def read_mask(path: Path, how: MaskReading) -> Mask:
    """The mask in `path`, turned as its own EXIF says unless told otherwise.

    Raises:
        BadFileError: if it is lossy, or has pages, channels or fractions that `how` says nothing about.
    """
    try:
        with opened(path, how.max_pixels) as image:
            header = header_of(image)
            _check_kind(path, header, how)
            values, palette = _decoded(image, header, path, how)
    except UnidentifiedImageError:
        header = read_header(path, how.max_pixels)
        _check_kind(path, header, how)
        values, palette = _picked(stored_bands(None, header, path), path, how), None
    if header.orientation != 1 and how.exif != "stored":
        values = turned(values, header.orientation)
    return Mask(_whole(values, path, how), header, palette)


def _check_kind(path: Path, header: Header, how: MaskReading) -> None:
    if header.lossy and not how.lossy:
        raise BadFileError(
            f"{path} is a {header.format} whose compression may blur labels: store masks as index PNG, or "
            "take "
            "the nearest value that has a name by lossy: nearest",
            kind="lossy masks", cure="lossy: nearest",
        )  # fmt: skip
    if header.pages > 1 and how.page is None:
        raise BadFileError(
            f"{path} has {header.pages} pages: give page: 0 if the first is the mask, or page: [a, b, ..] "
            "with the "
            "classes in their order if each class has a page",
            kind="masks of several pages", cure="page: 0",
        )  # fmt: skip


def _decoded(image: Image.Image, header: Header, path: Path, how: MaskReading):
    if type(how.page) is int and header.pages > 1:
        if how.page >= header.pages:
            raise BadFileError(f"{path} has pages 0..{header.pages - 1}, but page: {how.page} is asked for")
        image.seek(how.page)
        header = _as_one_page(header_of(image))
    stacked = header.format == "TIFF" and header.pages > 1
    if image.mode in SINGLE and not stacked:
        values = as_stored(np.array(image), header)
        if how.colours and values.dtype == np.uint8:
            return values, _palette(image) if image.mode == "P" else GREY
        if how.page is None or type(how.page) is int:
            return _one_channel(values, path, how), _palette(image) if image.mode == "P" else None
        return _picked(values[..., None], path, how), None
    return _picked(stored_bands(image, header, path), path, how), None


def _palette(image: Image.Image) -> np.ndarray:
    known = bytes(image.getpalette("RGB"))
    return np.frombuffer(known.ljust(768, b"\0"), np.uint8).reshape(256, 3)


def _one_channel(values: np.ndarray, path: Path, how: MaskReading) -> np.ndarray:
    if how.channel not in (None, 0):
        raise BadFileError(f"{path} has one channel, but channel: {how.channel} is asked for")
    return values


def _picked(pixels: np.ndarray, path: Path, how: MaskReading) -> np.ndarray:  # (H, W, B)
    number = pixels.shape[2]
    choice = how.page if how.page is not None else how.channel
    if isinstance(choice, tuple) and isinstance(choice[0], str):
        return _layers(pixels, choice, path)
    if choice == PANOPTIC and number >= 3:
        return pixels[..., :3].astype(np.int32) @ np.array([1, 256, 65536], np.int32)
    if isinstance(choice, tuple) or (how.colours and choice is None and number in (3, 4)):
        return _colours(pixels, choice or (0, 1, 2), path, chosen=choice is not None)
    if type(choice) is int and choice < number:
        return pixels[..., choice]
    if number == 1 and choice is None:
        return pixels[..., 0]
    if choice is not None:
        raise BadFileError(f"{path} has {number} channels or pages, which {choice!r} does not fit")
    if number == 2 or (pixels[..., :1] == pixels[..., : min(3, number)]).all():
        raise BadFileError(
            f"{path} holds grey values in {number} channels: give channel: 0",
            kind="grey masks in several channels", cure="channel: 0",
        )  # fmt: skip
    raise BadFileError(
        f"{path} is coloured, but a mask holds one class index per pixel: say which colour is which class by "
        f"colors: {{NAME: [{', '.join(map(str, pixels[0, 0, :3]))}], ..}}",
        kind="colour masks",
    )


def _colours(pixels: np.ndarray, channels: tuple[int, ...], path: Path, *, chosen: bool) -> np.ndarray:
    if max(channels) >= pixels.shape[2]:
        raise BadFileError(
            f"{path} has {pixels.shape[2]} channels, but channel: {list(channels)} is asked for"
        )
    if pixels.shape[2] == 4 and not chosen and (pixels[..., 3] != 255).any():
        raise BadFileError(
            f"{path} is partly transparent: give channel: [0, 1, 2] if the colours count there, too",
            kind="transparent masks", cure="channel: [0, 1, 2]",
        )  # fmt: skip
    if pixels.dtype != np.uint8 and pixels.max() > 255:
        raise BadFileError(f"{path} has colours of {pixels.dtype}; store them in 8 bits")
    return pixels[..., list(channels)].astype(np.uint8)


def _layers(pixels: np.ndarray, names: tuple[str, ...], path: Path) -> np.ndarray:
    """K + 1 where layer k is set (the last one, where several are), 0 where none is."""
    if pixels.shape[2] != len(names):
        raise BadFileError(
            f"{path} has {pixels.shape[2]} layers, but {len(names)} classes are given for them"
        )
    values = np.zeros(pixels.shape[:2], np.uint8)
    for number in range(len(names)):
        values[pixels[..., number] != 0] = number + 1
    return values


def _whole(values: np.ndarray, path: Path, how: MaskReading) -> np.ndarray:
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.dtype.kind in "ui":
        return values
    shown = np.unique(values)
    if not np.isfinite(shown).all() or (shown != np.round(shown)).any():
        raise BadFileError(
            f"{path} holds {values.dtype} values that are no whole numbers; store class indices"
        )
    if not how.stated:
        cure = f"values: {{{', '.join(f'{int(value)}: NAME' for value in shown[:6])}}}"
        raise BadFileError(
            f"{path} holds whole numbers as {values.dtype}: say what they mean by {cure}",
            kind="masks of floating point", cure=cure,
        )  # fmt: skip
    return values.astype(np.int64)


def _as_one_page(header: Header) -> Header:
    return header._replace(pages=1)
