"""Pixels as stored to 8-bit RGB: which bands, from which range, turned which way."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from utils.decoding.header import BadFileError, Header
from utils.decoding.tiff import read_deep_png, read_tiff

COMMON_BITS = (8, 10, 12, 14, 16)


def rgb(image: Image.Image) -> np.ndarray:
    """An open picture of up to 8 bits per channel, uint8 (H, W, 3); opacity is dropped."""
    if "transparency" in image.info:
        image = image.convert("RGBA")
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def stored_bands(image: Image.Image | None, header: Header, path: Path) -> np.ndarray:
    """All bands of a picture of any kind with the values that the file holds, (H, W, B)."""
    if header.format == "TIFF" and image and image.mode != "P":
        return read_tiff(path)
    if image is None:
        return read_tiff(path)
    if header.format == "PNG" and header.bits == 16 and header.mode != "I;16":
        return read_deep_png(path)
    if image.mode in ("P", "1", "CMYK", "YCbCr", "LAB", "HSV"):
        return rgb(image)
    pixels = np.array(image)
    return pixels.reshape(*pixels.shape[:2], -1)


def chosen_bands(pixels: np.ndarray, bands: tuple[int, ...], path: Path) -> np.ndarray:
    """Three bands of `pixels` (H, W, B): `bands`, or without any the one or three that there are.

    Raises:
        BadFileError: if it takes a choice, or there are fewer.
    """
    number = pixels.shape[2]
    if not bands:
        if number not in (1, 3):
            cure = f"bands: [{', '.join(map(str, range(3 if number > 3 else 1)))}]"
            raise BadFileError(
                f"{path} has {number} bands, and none of them is taken for opacity: say which are red, "
                "green and "
                f"blue (or grey), counted from 0: {cure}",
                kind="pictures of other than 1 or 3 bands",
                cure=cure,
            )
        bands = tuple(range(number))
    if max(bands) >= number:
        raise BadFileError(f"{path} has bands 0..{number - 1}, but bands: {list(bands)} is asked for")
    return pixels[..., list(bands)] if len(bands) == 3 else np.repeat(pixels[..., list(bands)], 3, axis=2)


def to_bytes(pixels: np.ndarray, limits: tuple[float, float] | None, path: Path) -> np.ndarray:
    """`pixels` (H, W, 3) scaled so that `limits` become 0 and 255; bytes stay what they are.

    Raises:
        BadFileError: if there are more than 8 bits, but no `limits`; they are not guessed from one picture.
    """
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * 255
    if limits is None:
        raise range_missing(pixels, path)
    if pixels.dtype == np.uint16:
        return _table(limits).take(pixels)
    return _scaled(pixels, limits)


def range_missing(pixels: np.ndarray, path: Path) -> BadFileError:
    """The refusal of `pixels` of more than 8 bits, with the range that they suggest."""
    low, high = pixels.min(), pixels.max()
    if pixels.dtype.kind == "f":
        top = 1 if high <= 1 else 255 if high <= 255 else int(np.ceil(high))
    else:
        top = next((2**bits - 1 for bits in COMMON_BITS if high < 2**bits), int(high))
    cure = f"range: [{min(0, int(np.floor(low)))}, {top}]"
    return BadFileError(
        f"{path} has {pixels.dtype} values (here {low} to {high}), and nothing says which of them are "
        "black and "
        f"white in all pictures: give {cure}",
        kind="pictures of more than 8 bits",
        cure=cure,
    )


@lru_cache(maxsize=4)
def _table(limits: tuple[float, float]) -> np.ndarray:
    values = np.arange(65536)
    if limits == (0, 65535):  # as other readers do, whose high byte this is
        return (values >> 8).astype(np.uint8)
    return _scaled(values, limits)


def _scaled(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    low, high = limits
    shares = (values.astype(np.float32) - low) / (high - low)
    return (np.nan_to_num(shares).clip(0, 1) * 255 + 0.5).astype(np.uint8)


def as_stored(values: np.ndarray, header: Header) -> np.ndarray:
    """Grey values or indices as the file has them, of what Pillow makes of it.

    Values of 2 and 4 bits are scaled up to 0..255 by Pillow, and turned round where 0 means white (TIFF).
    """
    kind = header.raw.partition(";")[2] if header.mode in ("1", "L") else ""
    if "I" in kind:
        values = ~values if values.dtype == bool else 255 - values
    values = values // 85 if "2" in kind else values // 17 if "4" in kind else values
    return unturned(values, header)


def unturned(pixels: np.ndarray, header: Header) -> np.ndarray:
    """What Pillow decoded, (H, W, ...), without the turn that it gives to TIFF files by itself."""
    if header.format != "TIFF" or header.orientation == 1:
        return pixels
    return turned(pixels, {6: 8, 8: 6}.get(header.orientation, header.orientation))


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """`pixels` (H, W, ...) as EXIF's `orientation` 1..8 says, contiguous."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels.copy()  # a single pixel is contiguous to NumPy even with strides that PyTorch refuses
