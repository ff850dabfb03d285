"""Crops of an image and its labels, and the normalisation that runs on the device."""

import math
import random
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from dataset.base import AREA
from dataset.resize import resize, shorter_side

Colour = tuple[float, float, float]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet, RGB in [0, 1]
RATIO = (3 / 4, 4 / 3)  # width by height
ATTEMPTS = 10


def crop_box(
    rng: random.Random, width: int, height: int, *, area: tuple[float, float] = AREA
) -> tuple[int, int, int, int]:
    """Random crop (top, left, height, width) of an image, as the published training transform draws it.

    Up to ten attempts draw area and aspect ratio and, if the crop fits, top and left; else the largest
    central crop of an allowed ratio. Source: RandomResizedCrop of the published systems, the same draws in
    the same order. `area` is the least and largest share of the image that is drawn.
    """
    for _ in range(ATTEMPTS):
        pixels = rng.uniform(*area) * width * height
        ratio = math.exp(rng.uniform(math.log(RATIO[0]), math.log(RATIO[1])))
        w, h = round(math.sqrt(pixels * ratio)), round(math.sqrt(pixels / ratio))
        if w <= width and h <= height:
            return rng.randint(0, height - h), rng.randint(0, width - w), h, w
    w = min(width, round(height * RATIO[1]))
    h = min(height, round(width / RATIO[0]))
    return (height - h) // 2, (width - w) // 2, h, w


def train_crop(
    image: Tensor, labels: Tensor, size: int, rng: random.Random, *, area: tuple[float, float] = AREA
) -> tuple[Tensor, Tensor]:  # uint8 (3, H, W), (H, W)
    """Random crop of the image, resized to `size` x `size`, mirrored in half of the cases.

    One label for the whole image (1, 1) stays as it is.
    """
    top, left, height, width = crop_box(rng, image.shape[2], image.shape[1], area=area)
    flip = rng.random() < 0.5
    rows, columns, whole = slice(top, top + height), slice(left, left + width), image.shape[1:]
    image = resize(image[:, rows, columns], size, size)
    if labels.shape != whole:
        return image.flip(-1) if flip else image, labels
    labels = resize_labels(labels[rows, columns], (size, size))
    return (image.flip(-1), labels.flip(-1)) if flip else (image, labels)


def central_crop(
    image: Tensor, labels: Tensor, size: int, *, margin: float = 1.0
) -> tuple[Tensor, Tensor]:  # (3, H, W), (H, W)
    """Shorter side resized to `margin` x `size`, then the central square: the view of published results.

    One label for the whole image (1, 1) stays as it is.
    """
    whole = image.shape[1:]
    height, width = shorter_side(*whole, round(margin * size))
    top, left = round((height - size) / 2), round((width - size) / 2)
    rows, columns = slice(top, top + size), slice(left, left + size)
    if labels.shape == whole:
        labels = resize_labels(labels, (height, width))[rows, columns]
    return resize(image, height, width)[:, rows, columns], labels


def resize_labels(labels: Tensor, size: Sequence[int]) -> Tensor:  # (H, W) -> (height, width) = size
    """Nearest-neighbour resizing of labels that samples the same pixels as Pillow, as published.

    Torch's "nearest" samples other pixels, and so does "nearest-exact" where a sample falls between two.
    """
    rows, columns = (_sampled(*pair) for pair in zip(labels.shape, size, strict=True))
    return torch.from_numpy(labels.numpy().take(rows, axis=0).take(columns, axis=1))


def _sampled(length: int, size: int) -> np.ndarray:
    """Positions of `size` samples on `length` pixels, with Pillow's rounding."""
    steps = np.full(size, length / size)
    steps[0] /= 2
    return np.minimum(np.add.accumulate(steps).astype(np.int64), length - 1)


def normalize(images: Tensor, mean: Colour = MEAN, std: Colour = STD) -> Tensor:  # uint8 (N, 3, H, W)
    """float32 images with `mean` 0 and deviation 1 per channel, on the device of `images`."""
    shift, scale = _statistics(mean, std, images.device)
    return images.float().div_(255).sub_(shift).div_(scale)


@lru_cache
def _statistics(mean: Colour, std: Colour, device: torch.device) -> tuple[Tensor, Tensor]:
    shift, scale = (torch.tensor(values, device=device).view(3, 1, 1) for values in (mean, std))
    return shift, scale


def to_device(images: Tensor, labels: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """uint8 images (N, 3, H, W) and labels (N, H, W) as normalised float32 and int64 on `device`.

    What is no longer uint8, such as features in place of images, stays what it is.
    """
    images = images.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)
    images = normalize(images) if images.dtype == torch.uint8 else images
    return images, labels.to(device, non_blocking=True).long()
