"""Image files of every kind to tensors; a file that cannot be read is named."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor


def read_image(path: Path) -> Tensor:
    """The picture in `path` as RGB, uint8 (3, H, W)."""
    with Image.open(path) as image:
        return torch.from_numpy(np.array(ImageOps.exif_transpose(image).convert("RGB"))).permute(2, 0, 1)


def read_index_mask(path: Path) -> Tensor:
    """The index mask in `path` as uint8 (H, W)."""
    with Image.open(path) as image:
        return torch.from_numpy(np.array(image))
