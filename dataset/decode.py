"""Image files of every kind to tensors. A file that cannot be used is refused by name, never read wrong.

Pillow decodes: torchvision's decoders are announced to be removed, and spare 0.2 ms of an image's 2.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

LOSSY = ("JPEG", "MPO", "JPEG2000", "WEBP")
EXIF_ORIENTATION = 0x0112


class BadFileError(ValueError):
    """A file that cannot be used; says which and why in one line, also when a worker process met it."""

    def __init__(self, message: str):
        # A DataLoader rebuilds a worker's exception from the worker's whole traceback: keep its last line.
        super().__init__(message.rsplit(f"{type(self).__name__}: ", 1)[-1].strip())


def read_image(path: Path) -> Tensor:
    """The picture in `path` as RGB, uint8 (3, H, W), turned as its EXIF orientation says; alpha is dropped.

    Raises:
        BadFileError: if the file is missing, truncated, corrupt or no picture.
    """
    return _named(path, _decode_image)


def read_index_mask(path: Path) -> Tensor:
    """The class indices in `path` as uint8 (H, W): palette indices or grey values as stored, of 1 to 16 bits.

    Raises:
        BadFileError: if the file is missing, truncated, corrupt, lossy, coloured, or has indices above 255.
    """
    return _named(path, _decode_mask)


def _named(path: Path, decode: Callable[[Path], Tensor]) -> Tensor:
    try:
        return decode(path)
    except BadFileError:
        raise
    except FileNotFoundError:
        raise BadFileError(f"{path} does not exist") from None
    except Exception as error:  # decoders raise whatever a broken file makes them stumble over
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadFileError(f"{path} cannot be read ({reason}); fetch it again or unlist it") from None


def _decode_image(path: Path) -> Tensor:
    with path.open("rb") as file, Image.open(file) as image:  # by name, Pillow scrambles turned TIFF files
        if image.getexif().get(EXIF_ORIENTATION, 1) != 1:
            image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):  # convert() would clip to 255 instead of taking the high byte
            image = Image.fromarray((np.array(image) >> 8).astype(np.uint8))
        elif image.mode in ("I", "F"):
            raise BadFileError(f"{path} has {image.mode} pixels; convert it to 8 bits per channel")
        elif "transparency" in image.info:
            image = image.convert("RGBA")
        pixels = np.array(image if image.mode == "RGB" else image.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1)  # a view, whose memory is laid out as resizing likes it


def _decode_mask(path: Path) -> Tensor:
    with path.open("rb") as file, Image.open(file) as image:
        if image.format in LOSSY:
            raise BadFileError(f"{path} is a {image.format}, which may blur labels; store masks as index PNG")
        if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
            raise BadFileError(
                f"{path} has {image.mode} pixels, but a mask holds one class index per pixel; "
                "convert its colours to indices (palette or grey PNG)"
            )
        packing = _packing(image) if image.mode in ("1", "L") else ""
        indices = as_stored(np.array(image), packing)
    if indices.dtype != np.uint8:
        if indices.max() > 255 or indices.min() < 0:
            raise BadFileError(f"{path} has label {indices.max()}; labels are 0..254, and 255 for void")
        indices = indices.astype(np.uint8)
    return torch.from_numpy(indices)


def _packing(image: Image.Image) -> str:
    """Pillow's name of how the pixels of an open file are packed, e.g. "L;4I"."""
    arguments = image.tile[0].args if image.tile else ""
    return arguments if isinstance(arguments, str) else str(arguments[0])


def as_stored(values: np.ndarray, packing: str) -> np.ndarray:
    """Grey values as the file has them, of what Pillow makes of it.

    Values of 2 and 4 bits are scaled up to 0..255 by Pillow, and turned round where 0 means white (TIFF).
    """
    kind = packing.partition(";")[2]
    if "I" in kind:
        values = ~values if values.dtype == bool else 255 - values
    return values // 85 if "2" in kind else values // 17 if "4" in kind else values


def as_bytes(image: Tensor, labels: Tensor) -> Tensor:  # uint8 (3, H, W), (H, W)
    """Both as one block of 4 H W bytes: pixel by pixel, as decoders leave them and resizing likes them."""
    return torch.cat([image.permute(1, 2, 0).flatten(), labels.flatten()])


def read_photo(path: Path | str) -> Tensor:
    """The picture in a file that belongs to no dataset, uint8 (3, H, W).

    Raises:
        FileNotFoundError: if there is no such file. ValueError: if it is no picture.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no {path}")
    try:
        return read_image(Path(path)).contiguous()
    except BadFileError as error:
        raise ValueError(f"{path} is no picture that can be read") from error
