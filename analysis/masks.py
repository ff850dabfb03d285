"""Predicted masks as files: in the values and of the kind that the network was trained from."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy import ndarray
from PIL import Image

from utils.files import write_bytes


def mask_picture(predicted: ndarray, order: Sequence[int], card: Mapping) -> Image.Image:
    """The model indices `predicted` (h, w) as an image of what mask files have for them.

    Args:
        order: label of each model index. card: of the data, see `dataset.card`.
    """
    values = np.array([card["values"][label] for label in order])  # (C,) or (C, 3)
    table = np.zeros((256, *values.shape[1:]), np.int64)
    table[: len(values)] = values
    if card["masks"] == "panoptic":
        table = np.stack([table & 255, table >> 8 & 255, table >> 16 & 255], axis=-1)
    byte = table.max() < 256
    image = Image.fromarray(table.astype(np.uint8 if byte else np.uint16)[predicted])
    if card["masks"] == "palette":
        image.putpalette(bytes.fromhex(card["palette"]))
    return image


def save_mask(mask: Image.Image, size: tuple[int, int], path: Path) -> None:
    """Write `mask` at `size` (width, height) as PNG, whole or not at all."""
    data = io.BytesIO()
    mask = mask if mask.size == size else mask.resize(size, Image.Resampling.NEAREST)
    mask.save(data, format="PNG")
    write_bytes(path, data.getvalue())
