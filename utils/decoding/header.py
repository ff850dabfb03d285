"""What is known of a picture file before it is decoded, and the refusal of files that cannot be used."""

from typing import NamedTuple

LOSSY_TIFF = ("jpeg", "tiff_jpeg", "webp")  # compressions
SWAPS_SIDES = (5, 6, 7, 8)


class BadFileError(ValueError):
    """A file that cannot be used; says which, why, and what helps in one line, also from a worker process.

    Attributes:
        kind: of what is wrong, the same for all files with the same trouble. cure: line of YAML that helps.
    """

    def __init__(self, message: str, *, kind: str = "", cure: str = ""):
        # A DataLoader rebuilds a worker's exception from the worker's whole traceback: keep its last line.
        super().__init__(message.rsplit(f"{type(self).__name__}: ", 1)[-1].strip())
        self.kind, self.cure = kind, cure


class Header(NamedTuple):
    """What is known of a picture file without its pixels.

    Attributes:
        format: Pillow's name. mode: Pillow's, or as many letters as there are bands.
        size: width and height as stored. orientation: as EXIF counts, 1 for upright.
        bits: per channel, 8 for 8 or fewer. bands: channels of a page. pages: of a TIFF or a GIF, else 1.
        raw: Pillow's name of how pixels are packed. lossy: whether compression changes values.
    """

    format: str
    mode: str
    size: tuple[int, int]
    orientation: int = 1
    bits: int = 8
    bands: int = 3
    pages: int = 1
    raw: str = ""
    lossy: bool = False

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height when turned as EXIF says."""
        return self.size[::-1] if self.orientation in SWAPS_SIDES else self.size

    @property
    def plain(self) -> bool:
        """Whether the file holds what Pillow turns into RGB without losing a band, a page or low bits."""
        return self.bits == 8 and not (self.format == "TIFF" and (self.pages > 1 or self.bands not in (1, 3)))
