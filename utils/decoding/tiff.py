"""TIFF files, and PNG files of 16 bits per colour, that Pillow cannot read or would shorten."""

from pathlib import Path

import numpy as np

from utils.decoding.header import LOSSY_TIFF, BadFileError, Header

SIDES = ("Y", "X")


def _library(name: str):
    try:
        return __import__(name)
    except ImportError:
        raise BadFileError(f"reading this kind of file needs {name}: pip install {name}") from None


def tiff_header(path: Path) -> Header:
    """The header of the TIFF file `path`, of whatever number and kind of bands."""
    with _library("tifffile").TiffFile(path) as file:
        page, series = file.pages[0], file.series[0]
        lengths = dict(zip(series.axes, series.shape, strict=True))
        orientation = page.tags.get(274)
        return Header(
            "TIFF",
            f"{page.samplesperpixel} x {page.dtype}",
            (lengths["X"], lengths["Y"]),
            int(orientation.value) if orientation else 1,
            bits=max(8, page.dtype.itemsize * 8),
            bands=page.samplesperpixel,
            pages=len(file.pages),
            lossy=page.compression.name.lower() in LOSSY_TIFF,
        )


def read_tiff(path: Path) -> np.ndarray:
    """All bands or pages of the TIFF file `path` as stored, (H, W, B), not turned."""
    with _library("tifffile").TiffFile(path) as file:
        if len({(page.shape, page.dtype) for page in file.pages}) > 1 and len(file.series) == 1:
            raise BadFileError(f"{path} has pages of several sizes; keep one")
        series = file.series[0]
        try:
            pixels = series.asarray()
        except ValueError as error:
            if "imagecodecs" in str(error):
                _library("imagecodecs")
            raise
        if len(file.series) > 1 and len({(one.shape, one.dtype) for one in file.series}) == 1:
            pixels, axes = np.stack([one.asarray() for one in file.series]), "Q" + series.axes
        else:
            axes = series.axes
    lengths = dict(zip(axes, pixels.shape, strict=True))
    others = [axis for axis in axes if axis not in SIDES and lengths[axis] > 1]
    if len(others) > 1:
        raise BadFileError(
            f"{path} has {' x '.join(map(str, pixels.shape))} values; keep one picture per file"
        )
    order = [axes.index(axis) for axis in (*SIDES, *(axis for axis in axes if axis not in SIDES))]
    return pixels.transpose(order).reshape(lengths["Y"], lengths["X"], -1)


def read_deep_png(path: Path) -> np.ndarray:
    """The PNG file `path` of 16 bits per colour, uint16 (H, W, B): Pillow keeps the upper 8 bits."""
    pixels = _library("imagecodecs").png_decode(path.read_bytes())
    return pixels.reshape(*pixels.shape[:2], -1)
