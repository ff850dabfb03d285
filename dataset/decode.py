"""Image files of every kind to tensors. A file that cannot be used is refused by name, never read wrong."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.io import ImageReadMode, decode_jpeg, decode_png

PNG = b"\x89PNG\r\n\x1a\n"
GREY, PALETTE = 0, 3  # colour types of PNG whose samples may be class indices
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
    with Image.open(path) as image:  # reads the header only
        plain = image.mode in ("RGB", "L") and image.getexif().get(EXIF_ORIENTATION, 1) == 1
        if plain and image.format == "JPEG":
            with suppress(RuntimeError):  # Pillow reads more kinds, and says better what is wrong
                return decode_jpeg(_bytes(path), mode=ImageReadMode.RGB)
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):  # convert() would clip to 255 instead of taking the high byte
            image = Image.fromarray((np.array(image) >> 8).astype(np.uint8))
        elif image.mode in ("I", "F"):
            raise BadFileError(f"{path} has {image.mode} pixels; convert it to 8 bits per channel")
        elif "transparency" in image.info:
            image = image.convert("RGBA")
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).contiguous()


def _decode_mask(path: Path) -> Tensor:
    data = _bytes(path)
    header = data[:33].numpy().tobytes()
    if header[:8] == PNG and len(header) == 33:
        size = int.from_bytes(header[16:20]) * int.from_bytes(header[20:24])
        bits, colour, interlace = header[24], header[25], header[28]
        # Fewer bits are left to Pillow: torchvision scales them to 0..255, which ruins indices.
        if bits == 8 and colour in (GREY, PALETTE) and not interlace and size <= Image.MAX_IMAGE_PIXELS:
            return decode_png(data)[0]
        if colour == GREY and bits in (2, 4):  # Pillow scales these two, by a whole number
            return _pillow_mask(path) // (255 // (2**bits - 1))
    return _pillow_mask(path)


def _pillow_mask(path: Path) -> Tensor:
    with Image.open(path) as image:
        if image.format in ("JPEG", "WEBP", "JPEG2000"):
            raise BadFileError(f"{path} is a {image.format}, which may blur labels; store masks as index PNG")
        if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
            raise BadFileError(
                f"{path} has {image.mode} pixels, but a mask holds one class index per pixel; "
                "convert its colours to indices (palette or grey PNG)"
            )
        indices = np.array(image)
    if indices.max(initial=0) > 255 or indices.min(initial=0) < 0:
        raise BadFileError(f"{path} has label {indices.max()}; labels are 0..254, and 255 for void")
    return torch.from_numpy(indices.astype(np.uint8))


def _bytes(path: Path) -> Tensor:
    return torch.from_numpy(np.fromfile(path, np.uint8))
