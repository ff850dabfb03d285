"""Overlays on images: class names, predictions, kinds of errors, uncertainty."""

from collections.abc import Collection, Mapping

import numpy as np
from numpy import ndarray
from PIL import Image, ImageDraw

from utils.labels import BACKGROUND, IGNORE
from utils.pictures.fonts import font, written
from utils.pictures.segmentations import INK, PAPER, colour

# Okabe and Ito's colours, which are safe for colour blindness.
ERRORS = {
    "missed: taken for background": (240, 228, 66),
    "confused: taken for another class": (230, 90, 0),
    "invented: background taken for a class": (86, 180, 233),
}
SHARE = 0.6  # of the prediction's colour in an overlay


def blend(
    image: ndarray, labels: ndarray, palette: ndarray, *, clear: tuple[int, ...] = (IGNORE,)
) -> ndarray:
    """`image` (H, W, 3) under the colours of `labels` (H, W), except where a label is one of `clear`."""
    mixed = (1 - SHARE) * image + SHARE * colour(labels, palette)
    return np.where(np.isin(labels, clear)[..., None], image, mixed.round()).astype(np.uint8)


def errors(image: ndarray, truth: ndarray, predicted: ndarray, *, has_background: bool = True) -> ndarray:
    """`image` (H, W, 3) in dim grey, with each wrong pixel in the colour of its kind of error.

    Args:
        image: RGB uint8. truth: model indices (H, W), IGNORE where predictions do not count.
        predicted: model indices (H, W). has_background: whether index 0 is background.
    """
    painted = dimmed(image)
    wrong = (truth != IGNORE) & (predicted != truth)
    missed = wrong & (predicted == BACKGROUND) & has_background
    invented = wrong & (truth == BACKGROUND) & has_background
    for kind, where in zip(ERRORS, (missed, wrong & ~missed & ~invented, invented), strict=True):
        painted[where] = ERRORS[kind]
    return painted.astype(np.uint8)


def error_legend() -> list[tuple[str, tuple[int, int, int]]]:
    """Names and colours of the kinds of errors that `errors` shows."""
    grey = tuple(int(value) for value in dimmed(np.full((1, 1, 3), 128))[0, 0])
    return [("right", grey), *ERRORS.items()]


def spotlight(image: ndarray, labels: ndarray, *, has_background: bool = True) -> ndarray:
    """`image` (H, W, 3) where `labels` (H, W) name a class, dim grey elsewhere: the ground truth without
    colours, to be shown beside error and uncertainty maps.
    """
    dark = (labels == IGNORE) | ((labels == BACKGROUND) & has_background)
    return np.where(dark[..., None], dimmed(image), image).astype(np.uint8)


def dimmed(image: ndarray) -> ndarray:
    """`image` (H, W, 3) in dark grey, float64."""
    return np.repeat(image.mean(2, keepdims=True) * 0.45 + 25, 3, axis=2)


def uncertainty(unsure: ndarray) -> ndarray:  # (H, W) in 0..1
    """Uncertainty from 0 (dark blue) to 1 (yellow) as colours, uint8 (H, W, 3)."""
    from matplotlib import colormaps  # takes longer to import than most pictures to draw

    # Perceptually uniform, safe for colour blindness.
    return (colormaps["cividis"](unsure)[..., :3] * 255).round().astype(np.uint8)


def uncertainty_legend() -> list[tuple[str, tuple[int, int, int]]]:
    """Names and colours of some values of uncertainty."""
    shares = {"0: sure": 0.0, "0.2": 0.2, "0.4": 0.4, "0.6": 0.6, "0.8: unsure": 0.8}
    return [
        (name, tuple(int(v) for v in uncertainty(np.full((1, 1), share))[0, 0]))
        for name, share in shares.items()
    ]


def write_names(tile: Image.Image, labels: ndarray, names: Mapping[int, str], *, size: int = 12) -> None:
    """Write into `tile`, in place, the name of each region into which it fits.

    Args:
        tile: the image to draw on. labels: label map of the image, at any resolution (h, w).
        names: names by label; labels without a name are skipped. size: font size in pixels.
    """
    labels = np.asarray(Image.fromarray(labels.astype(np.uint8)).resize(tile.size, Image.Resampling.NEAREST))
    draw = ImageDraw.Draw(tile)
    taken: list[tuple[int, int, int, int]] = []
    for label, region in regions(labels, names):
        letters = font(names[label], size)
        width = round(letters.getlength(names[label]))
        found = place_for(region, width + 6, size)  # with the rim of the letters
        if found is None:
            continue
        x, y = found
        left = x - width // 2
        box = (left, y - size // 2 - 2, left + width, y + size // 2 + 2)
        if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
            continue
        taken.append(box)
        draw.text((left, y), names[label], INK, letters, anchor="lm", stroke_width=2, stroke_fill=PAPER)


def place_for(region: ndarray, width: int, height: int) -> tuple[int, int] | None:
    """Centre (x, y) of the `width` x `height` box that lies in `region` (H, W) best; None if none does.

    A tenth of the box may lie outside of the region, for letters do not fill it, but none of it outside of
    the picture.
    """
    from scipy import ndimage

    if width > region.shape[1] or height > region.shape[0]:
        return None
    inside = ndimage.uniform_filter(region.astype(np.float32), (height, width), mode="constant")
    inside[:, : width // 2 + 1] = inside[:, region.shape[1] - width // 2 - 1 :] = 0
    inside[: height // 2] = inside[region.shape[0] - height // 2 :] = 0
    depth = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    score = inside.round(2) + depth / (100 * max(1.0, depth.max()))  # of equal places the deepest
    y, x = np.unravel_index(score.argmax(), score.shape)
    return (int(x), int(y)) if inside[y, x] >= 0.9 else None


def regions(labels: ndarray, wanted: Collection[int]) -> list[tuple[int, ndarray]]:
    """The three largest regions of each of the labels `wanted`, as bool (H, W); larger ones first."""
    from scipy import ndimage

    found = []
    for label in sorted(set(np.unique(labels).tolist()) & set(wanted)):
        numbered, _ = ndimage.label(labels == label)
        sizes = np.bincount(numbered.ravel())[1:]
        found += [(sizes[row], label, numbered == row + 1) for row in np.argsort(-sizes, kind="stable")[:3]]
    return [(label, region) for _, label, region in sorted(found, key=lambda one: -one[0])]


def heading(name: str, group: str, *, height: int) -> Image.Image:
    """A blank tile with a name half way down, and at its top, smaller, the name of a group of rows."""
    name, group = written(name), written(group)
    large, small = font(name, 14), font(group, 11)
    width = round(max(large.getlength(name), small.getlength(group))) + 4
    tile = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(tile)
    draw.text((0, height // 2), name, INK, large, anchor="lm")
    draw.text((0, 2), group, (90, 90, 90), small, anchor="la")
    return tile
