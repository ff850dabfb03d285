"""How often a mask shows each value, without an array of its pixels: of most kinds of masks."""

from array import array
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from utils.decoding.header import Header
from utils.decoding.opening import LIMIT, check_pixels, header_of

SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Counted(NamedTuple):
    """Pixels of each value, int64 (256,); the header; the colours of the values, uint8 (256, 3), if any."""

    counts: np.ndarray
    header: Header
    palette: np.ndarray | None


def counted(path: Path, max_pixels: int = LIMIT) -> Counted | None:
    """The values in the PNG file `path` of one byte per pixel; None if it is another kind of file.

    Raises:
        BadFileError: if it has more than `max_pixels`. OSError, SyntaxError: if it is broken.
    """
    with open(path, "rb", buffering=0) as file:
        if file.read(len(SIGNATURE)) != SIGNATURE:
            return None
        content = BytesIO(SIGNATURE + file.read())  # at once: Pillow asks for a few bytes at a time
    with Image.open(content, formats=("PNG",)) as image:
        if image.mode not in ("L", "P"):
            return None
        check_pixels(path, image.size, max_pixels)
        header = header_of(image)
        if header.pages > 1 or image.mode == "L" and header.raw != "L":  # films, and scaled values
            return None
        counts = np.frombuffer(array("q", image.histogram()), np.int64)
        palette = _palette(image.im.getpalette("RGB", "RGB")) if image.mode == "P" else None
    return Counted(counts, header, palette)


@lru_cache(maxsize=8)
def _palette(colours: bytes) -> np.ndarray:
    """One array for all masks with the same colours."""
    return np.frombuffer(colours.ljust(768, b"\0"), np.uint8).reshape(256, 3)
