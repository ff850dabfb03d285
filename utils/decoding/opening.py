"""What a picture file says about itself before it is decoded.

Pillow's limit on the number of pixels is taken over by `opened`, so that data sets may have one of their own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from utils.decoding.header import LOSSY_TIFF, BadFileError, Header
from utils.decoding.tiff import tiff_header

LOSSY = ("JPEG", "MPO", "JPEG2000", "WEBP", "AVIF")
TIFF = (".tif", ".tiff")
LIMIT = 178_956_970  # pixels; what Pillow refuses to open by itself
WIDTH, HEIGHT, BITS, PHOTOMETRIC, ORIENTATION, SAMPLES = 256, 257, 258, 262, 274, 277  # tags of TIFF and EXIF
SEPARATED = 5  # photometric interpretation of CMYK
EXIF_KEYS = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")  # of what Pillow read at the start
MOVING = ("PNG", "GIF", "WEBP")  # formats whose further pages are those of a film

Image.MAX_IMAGE_PIXELS = None


@contextmanager
def opened(path: Path, max_pixels: int = LIMIT) -> Iterator[Image.Image]:
    """The picture in `path`, not decoded yet.

    Raises:
        BadFileError: if it has more than `max_pixels`. OSError, SyntaxError: if it is no picture.
    """
    # Opened by name, Pillow 11.3 to 13.0 scrambles uncompressed TIFF files that are shown turned.
    with path.open("rb") as file, Image.open(file) as image:
        check_pixels(path, image.size, max_pixels)
        yield image


def check_pixels(path: Path, size: tuple[int, int], max_pixels: int) -> None:
    """Refuse a picture of more than `max_pixels`."""
    pixels = size[0] * size[1]
    if pixels <= max_pixels:
        return
    cure = f"max_pixels: {pixels}"
    raise BadFileError(
        f"{path} has {pixels:,} pixels, more than {max_pixels:,}: cut it into tiles (python -m "
        "data.convert tiles), "
        f"or allow it by {cure} in the description of the data",
        kind="pictures of too many pixels",
        cure=cure,
    )


def read_header(path: Path, max_pixels: int = LIMIT) -> Header:
    """The header of the picture in `path`.

    Raises:
        BadFileError: if it has more than `max_pixels`. OSError, ValueError, SyntaxError: if it is no picture.
    """
    try:
        with opened(path, max_pixels) as image:
            return header_of(image)
    except UnidentifiedImageError:
        if path.suffix.lower() not in TIFF:
            raise ValueError(f"{path} is no picture") from None
    header = tiff_header(path)  # kinds of TIFF that Pillow does not know
    check_pixels(path, header.size, max_pixels)
    return header


def header_of(image: Image.Image) -> Header:
    """The header of an open picture, whose pixels are left alone."""
    # Asked for EXIF that is not at the start of a PNG, Pillow decodes the whole file.
    says = image.format == "TIFF" or any(key in image.info for key in EXIF_KEYS)
    orientation = image.getexif().get(ORIENTATION, 1) if says else 1
    if image.format == "JPEG":
        return Header("JPEG", image.mode, image.size, orientation, lossy=True)
    raw = _packing(image)
    bits = 16 if ";16" in f"{image.mode} {raw}" else 32 if image.mode in ("I", "F") else 8
    about = Header(
        image.format or "",
        image.mode,
        image.size,
        orientation,
        bits,
        bands=len(image.getbands()),
        pages=getattr(image, "n_frames", 1) if image.format in MOVING else 1,
        raw=raw,
        lossy=image.format in LOSSY,
    )
    return _of_tiff(image, about) if image.format == "TIFF" else about


def _packing(image: Image.Image) -> str:
    if not image.tile:
        return ""
    args = image.tile[0].args
    return str(args[0] if isinstance(args, tuple) and args else args)


def _of_tiff(image: Image.Image, about: Header) -> Header:
    tags = image.tag_v2
    bands = tags.get(SAMPLES, 1)
    if bands == 4 and tags.get(PHOTOMETRIC) == SEPARATED:
        bands = 3  # as many as its colours have when they are converted
    return Header(
        "TIFF",
        image.mode,
        (tags.get(WIDTH, image.width), tags.get(HEIGHT, image.height)),
        tags.get(ORIENTATION, 1),
        bits=max(8, about.bits, *(tags.get(BITS) or (8,))),
        bands=bands,
        pages=image.n_frames,
        raw=about.raw,
        lossy=image.info.get("compression") in LOSSY_TIFF,
    )
