"""The one look at a pair of one's own data: everything that training would stumble over or read wrong."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import UnidentifiedImageError

from dataset.base import Sample
from dataset.own.labels import unnamed
from dataset.own.masks import GREY, Mask, read_mask
from dataset.survey import Survey, count, mapped, rgb_words, strange
from utils.decoding.counting import counted
from utils.decoding.decode import Reading, named
from utils.decoding.header import SWAPS_SIDES, BadFileError, Header
from utils.decoding.opening import opened, read_header
from utils.decoding.pixels import chosen_bands, range_missing, stored_bands

NAMED = 4  # values in a message
VALUES = np.arange(256, dtype=np.uint8)[None]


class Seen(NamedTuple):
    """What one look at a mask tells.

    Attributes:
        counts: pixels of each label. header: of the file. size: width and height as they are read.
        nameless: values or colours without a name, with their pixels. shown, palette: as in `Survey`.
    """

    counts: np.ndarray
    header: Header
    size: tuple[int, int]
    nameless: dict
    shown: np.ndarray | None = None
    palette: np.ndarray | None = None


def survey(dataset, sample: Sample) -> Survey:
    """The header of the picture and the whole mask of `sample`; complaints are collected, not raised."""
    complaints, image, seen = [], None, None
    try:
        path = sample.mask
        seen = named(path, lambda: _by_values(dataset, path) or _by_pixels(dataset, path))
    except BadFileError as error:
        complaints.append(error)
    try:
        image = named(sample.image, lambda: read_header(sample.image, dataset.pictures.max_pixels))
        check_picture(sample.image, image, dataset.pictures)
        if seen:
            check_pair(sample, image, seen, dataset.pictures.exif)
    except BadFileError as error:
        complaints.append(error)
    if seen is None:
        return Survey(np.zeros(256, np.int64), tuple(complaints), image=image)
    if seen.nameless:
        complaints.append(no_name(sample.mask, seen.nameless, dataset))
    return Survey(
        seen.counts, tuple(complaints), seen.nameless, seen.shown, seen.palette, image, seen.header
    )


def _by_values(dataset, path: Path) -> Seen | None:
    """The look at a mask that is known by how often it shows each value; None if it takes its pixels."""
    how, labels = dataset.masks, dataset.labels
    if how.page is not None or how.channel not in (None, 0) or getattr(labels, "divisor", 1) != 1:
        return None
    found = counted(path, how.max_pixels)
    if found is None:
        return None
    counts, palette = found.counts, found.palette
    if not getattr(labels, "identical", False):
        colours = GREY if how.colours and palette is None else palette
        counts = mapped(counts, labels.labels(Mask(VALUES, found.header, colours), path)[0])
    if len(strange(counts, len(dataset.class_names))):
        return None
    size = found.header.size if how.exif == "stored" else found.header.upright
    compared = palette is not None and dataset.compares_palettes
    return Seen(counts, found.header, size, {}, *((found.counts > 0, palette) if compared else ()))


def _by_pixels(dataset, path: Path) -> Seen:
    mask = read_mask(path, dataset.masks)
    labels = dataset.labels.labels(mask, path)
    counts, nameless = count(labels), {}
    if len(strange(counts, len(dataset.class_names))):
        nameless = unnamed(mask, labels, len(dataset.class_names), coloured=dataset.masks.colours)
    shown = palette = None
    if mask.palette is not None and dataset.compares_palettes:
        shown, palette = (counts if labels is mask.values else count(mask.values)) > 0, mask.palette
    return Seen(counts, mask.header, mask.values.shape[1::-1], nameless, shown, palette)


def no_name(path: Path, nameless: dict, dataset) -> BadFileError:
    """The refusal of values or colours that the description does not name."""
    most = list(nameless.items())[:NAMED]
    coloured = isinstance(most[0][0], tuple)
    what = ("colour" if coloured else "label") + "s" * (len(nameless) > 1)
    words = ", ".join(
        f"{rgb_words(value) if coloured else value} ({pixels:,} pixels)" for value, pixels in most
    ) + ", .." * (len(nameless) > len(most))
    last = len(dataset.class_names) - 1
    if coloured:
        cure, has = f"colors: {{void: {rgb_words(most[0][0])}, ..}}", "no such name in colors"
    else:
        cure, has = f"values: {{{most[0][0]}: NAME, ..}}, or void", f"classes 0..{last} (and 255 for void)"
    text = f"{path} has {what} {words}, but {dataset.name} has {has}; give {cure}"
    return BadFileError(text, kind="values without a name")


def check_picture(path: Path, header: Header, reading: Reading) -> None:
    """Refuse a picture that needs a key that `reading` lacks.

    Raises:
        BadFileError: naming it.
    """
    if header.plain and not reading.bands:
        return
    deep = header.bits > 8 and reading.range is None
    choice = not reading.bands and (
        header.pages > 1 or header.bands not in (1, 3) and header.format == "TIFF"
    )
    if deep or choice or reading.bands:
        pixels = named(path, lambda: _pixels(path, header, reading.max_pixels))
        pixels = chosen_bands(pixels, reading.bands, path)
        if deep:
            raise range_missing(pixels, path)


def _pixels(path: Path, header: Header, max_pixels: int) -> np.ndarray:
    try:
        with opened(path, max_pixels) as image:
            return stored_bands(image, header, path)
    except UnidentifiedImageError:
        return stored_bands(None, header, path)


def check_pair(sample: Sample, image: Header, mask: Seen, exif: str) -> None:
    """Refuse a mask that does not lie on its picture, or of which EXIF leaves open how it does.

    Raises:
        BadFileError: naming both files.
    """
    size = mask.size
    wanted = image.size if exif == "stored" else image.upright
    own, other = (f"{width}x{height}" for width, height in (size, wanted))
    text = f"{sample.mask} is {own} pixels, but its image {sample.image} is {other}"
    if size != wanted:
        if image.orientation in SWAPS_SIDES and size == wanted[::-1]:
            cure = "exif: turned" if exif == "stored" else "exif: stored"
            raise BadFileError(
                f"{text} when EXIF orientation {image.orientation} is "
                f"{'ignored' if exif == 'stored' else 'heeded'}: "
                f"give {cure}",
                kind="EXIF against the mask", cure=cure,
            )  # fmt: skip
        raise BadFileError(text, kind="sizes that differ")
    if exif or image.orientation == mask.header.orientation:
        return
    if image.orientation in SWAPS_SIDES and mask.header.orientation == 1 and size[0] != size[1]:
        return  # it fits the turned picture, and only that
    raise BadFileError(
        f"{sample.image} has EXIF orientation {image.orientation} and {sample.mask} has "
        f"{mask.header.orientation}, which "
        "leaves the size as it is and open how the mask lies on the picture: give exif: turned if it was "
        "drawn on the "
        "picture as viewers show it, exif: stored if on the pixels as stored",
        kind="EXIF that leaves the mask open", cure="exif: turned",
    )  # fmt: skip
