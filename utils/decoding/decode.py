"""Image files of every kind to tensors. A file that cannot be used is refused by name, never read wrong.

Pillow decodes: torchvision's decoders are announced to be removed, and spare 0.2 ms of an image's 2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from PIL import UnidentifiedImageError

from utils.decoding.header import BadFileError
from utils.decoding.opening import LIMIT, ORIENTATION, header_of, opened, read_header
from utils.decoding.pixels import as_stored, chosen_bands, rgb, stored_bands, to_bytes, turned, unturned

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
FULL = (0, 65535)  # range of 16 bits


@dataclass(frozen=True)
class Reading:
    """How picture files become 8-bit RGB.

    Args:
        bands: positions of the bands that are used, one or three; () for all of a picture with 1 or 3.
        range: values that become 0 and 255 in files of more than 8 bits per channel; None refuses these, or
            takes the upper 8 of 16 bits if told so by `high_byte`.
        exif: "stored" leaves pixels as they are stored, else they are turned as EXIF says.
        max_pixels: more are refused.
    """

    bands: tuple[int, ...] = ()
    range: tuple[float, float] | None = None
    high_byte: bool = False
    exif: str = ""
    max_pixels: int = LIMIT


AS_THEY_ARE = Reading(high_byte=True)


def read_image(path: Path, reading: Reading = AS_THEY_ARE) -> "Tensor":
    """The picture in `path` as RGB, uint8 (3, H, W), turned as its EXIF orientation says.

    Opacity (alpha) is dropped; a band of a TIFF file beyond its colours is no opacity, and has to be chosen
    or left out by `reading.bands`.

    Raises:
        BadFileError: if the file is missing, truncated, corrupt, no picture, or needs a key of `reading`.
    """
    return _tensor(read_pixels(path, reading)).permute(2, 0, 1)  # a view, laid out as resizing likes it


def read_pixels(path: Path, reading: Reading = AS_THEY_ARE) -> np.ndarray:
    """The same as an array, uint8 (H, W, 3)."""
    return named(path, lambda: _decode_image(path, reading))


def read_index_mask(path: Path) -> "Tensor":
    """The class indices in `path` as uint8 (H, W): palette indices or grey values as stored, of 1 to 16 bits.

    Raises:
        BadFileError: if the file is missing, truncated, corrupt, lossy, coloured, or has indices above 255.
    """
    return named(path, lambda: _decode_mask(path))


def named(path: Path, decode: Callable[[], T]) -> T:
    """What `decode` gives, with whatever stops it as a BadFileError that names `path`."""
    try:
        return decode()
    except BadFileError:
        raise
    except FileNotFoundError:
        raise BadFileError(f"{path} does not exist") from None
    except Exception as error:  # decoders raise whatever a broken file makes them stumble over
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadFileError(f"{path} cannot be read ({reason}); fetch it again or unlist it") from None


def _decode_image(path: Path, reading: Reading) -> np.ndarray:
    pixels, orientation = _pixels(path, reading)
    if orientation != 1 and reading.exif != "stored":
        pixels = turned(pixels, orientation)
    return pixels


def _pixels(path: Path, reading: Reading) -> tuple[np.ndarray, int]:
    try:
        with opened(path, reading.max_pixels) as image:
            header = header_of(image)
            high_byte = reading.high_byte and header.bits == 16 and header.format == "PNG"
            if not reading.bands and (header.plain or high_byte and header.mode != "I;16"):
                late = header.format == "PNG"  # may say so behind its pixels
                orientation = image.getexif().get(ORIENTATION, 1) if late else header.orientation
                return unturned(rgb(image), header), orientation
            stored = stored_bands(image, header, path)
    except UnidentifiedImageError:
        header = read_header(path, reading.max_pixels)
        stored = stored_bands(None, header, path)
    limits = FULL if reading.high_byte and stored.dtype == np.uint16 else reading.range
    return to_bytes(chosen_bands(stored, reading.bands, path), limits, path), header.orientation


def _decode_mask(path: Path) -> "Tensor":
    with opened(path) as image:
        header = header_of(image)
        if header.lossy:
            raise BadFileError(
                f"{path} is a {header.format}, which may blur labels; store masks as index PNG"
            )
        if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
            raise BadFileError(
                f"{path} has {image.mode} pixels, but a mask holds one class index per pixel; "
                "convert its colours to indices (palette or grey PNG)"
            )
        indices = as_stored(np.array(image), header)
        indices = turned(indices, header.orientation) if header.orientation != 1 else indices
    if indices.dtype != np.uint8:
        if indices.max() > 255 or indices.min() < 0:
            raise BadFileError(f"{path} has label {indices.max()}; labels are 0..254, and 255 for void")
        indices = indices.astype(np.uint8)
    return _tensor(indices)


def _tensor(array: np.ndarray) -> "Tensor":
    import torch  # which programs that look at no pixels need not wait for

    return torch.from_numpy(array)


def as_bytes(image: "Tensor", labels: "Tensor") -> "Tensor":  # uint8 (3, H, W), (H, W)
    """Both as one block of 4 H W bytes: pixel by pixel, as decoders leave them and resizing likes them."""
    import torch

    return torch.cat([image.permute(1, 2, 0).flatten(), labels.flatten()])


def read_photo(path: Path | str, reading: Reading = AS_THEY_ARE) -> "Tensor":
    """The picture in a file that belongs to no dataset, uint8 (3, H, W), read as `reading` says.

    Raises:
        FileNotFoundError: if there is no such file. ValueError: if it is no picture.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no {path}")
    try:
        return read_image(Path(path), reading).contiguous()
    except BadFileError as error:
        raise ValueError(f"{path} is no picture that can be read ({error})") from error
