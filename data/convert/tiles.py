"""Pictures that are too large for training, with their masks, cut into tiles."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from dataset.files import PICTURES
from utils.decoding.opening import header_of
from utils.decoding.pixels import as_stored
from utils.files import files_below, replacing
from utils.labels import IGNORE

SUFFIX = {"TIFF": ".tif"}  # of tiles by the format they are cut from; others become PNG, which is lossless


def cut(
    images: Path,
    masks: Path,
    out: Path,
    *,
    side: int,
    overlap: int = 0,
    void_share: float = 1.0,
    megapixels: int = 2000,
) -> str:
    """Tiles of `side` pixels of the pictures and masks of equal names in two folders (or of two files).

    They are written to `out`/images and `out`/masks as <name>_<top>_<left>.png. The last tile of a row or
    column is moved inwards so that all are of one size; only pictures smaller than that give smaller tiles.
    One picture is in memory at a time: 3 bytes a pixel, and 1 for its mask.

    Args:
        overlap: pixels that neighbours share. void_share: tiles with more void (255) are left out.
        megapixels: pictures above that are refused, for what they would take of memory.

    Raises:
        FileNotFoundError, ValueError: naming the file, and what is wrong.
    """
    if overlap >= side:
        raise ValueError(f"--overlap {overlap} has to be smaller than --size {side}")
    pairs = paired(images, masks)
    written = left_out = 0
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # what was named is meant to be that large
    try:
        for picture, mask in pairs:
            with opened(picture, megapixels) as large, opened(mask, megapixels) as labels:
                if large.size != labels.size:
                    raise ValueError(f"{mask} is {labels.size} pixels, but {picture} is {large.size}")
                suffix = SUFFIX.get(large.format, ".png")
                if labels.mode == "L":  # Pillow scales values of 2 and 4 bits up
                    about = header_of(labels)  # before it is decoded
                    labels = Image.fromarray(as_stored(np.array(labels), about))
                large, labels = ImageOps.exif_transpose(large), ImageOps.exif_transpose(labels)
                for box in boxes(large.size, side, overlap):
                    part = labels.crop(box)
                    if (np.asarray(part) == IGNORE).mean() > void_share:
                        left_out += 1
                        continue
                    name = f"{picture.stem}_{box[1]:05}_{box[0]:05}"
                    save(large.crop(box), out / "images" / f"{name}{suffix}")
                    save(part, out / "masks" / f"{name}.png")
                    written += 1
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    note = f"; {left_out} tiles of void left out" if left_out else ""
    return f"{len(pairs)} pictures became {written} tiles in {out / 'images'} and {out / 'masks'}{note}"


def paired(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    """Pictures with their masks.

    Raises:
        FileNotFoundError: if one has none.
    """
    if images.is_file() and masks.is_file():
        return [(images, masks)]
    by_stem = {path.stem: path for path in files_below(masks, PICTURES)}
    pictures = files_below(images, PICTURES)
    lacking = [path for path in pictures if path.stem not in by_stem]
    if lacking:
        raise FileNotFoundError(f"{lacking[0]} has no mask of its name in {masks} ({len(lacking)} in all)")
    return [(path, by_stem[path.stem]) for path in pictures]


def opened(path: Path, megapixels: int) -> Image.Image:
    """The picture in a file, not decoded yet.

    Raises:
        ValueError: if it is none, or larger than `megapixels`.
    """
    try:
        image = Image.open(path)
    except Image.UnidentifiedImageError:
        raise ValueError(f"{path} is no picture that can be read") from None
    size = image.width * image.height / 1e6
    if size > megapixels:
        image.close()
        raise ValueError(f"{path} has {size:,.0f} megapixels: --megapixels {size + 1:.0f} allows it")
    return image


def boxes(size: tuple[int, int], side: int, overlap: int) -> list[tuple[int, int, int, int]]:
    """Left, top, right, bottom of the tiles of a picture of `size` (width, height), row by row."""
    starts = [
        sorted(
            {
                max(0, min(start, length - side))
                for start in range(0, max(1, length - overlap), side - overlap)
            }
        )
        for length in size
    ]
    width, height = size
    return [(x, y, min(x + side, width), min(y + side, height)) for y in starts[1] for x in starts[0]]


def save(image: Image.Image, path: Path) -> None:
    """Write a tile, whole or not at all; the orientation of the picture it was cut from is used up."""
    with replacing(path) as file:
        image.save(file, format="TIFF" if path.suffix == ".tif" else "PNG")
