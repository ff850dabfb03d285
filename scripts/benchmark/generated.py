"""Data sets that the commands of table `runs` work on."""

from pathlib import Path

import numpy as np
from PIL import Image

LARGE = 150  # classes of the large picture; background is one more


def squares(root: Path, classes: int, *, images: int = 12, side: int = 40) -> Path:
    """A data set in `root`: `images` training images of each class, with one square of it each."""
    made, colours = np.random.RandomState(0), np.random.RandomState(1).randint(256, size=(classes + 1, 3))
    for split, count in (("train", images), ("val", 1)):
        for label in range(1, classes + 1):
            for number in range(count):
                mask = np.zeros((side, side), np.uint8)
                top, left = made.randint(0, side * 3 // 5, 2)
                mask[top : top + side * 2 // 5, left : left + side * 2 // 5] = label
                save(root, split, f"{label} {number}", colours[mask].astype(np.uint8), mask)
    return described(root, classes)


def large_picture(root: Path, *, scale: int = 16) -> Path:
    """A data set in `root` of one picture of 4096 x 2160 (`scale` 16) with every class of 151."""
    cells = (np.arange(135 * 256) % (LARGE + 1)).reshape(135, 256).astype(np.uint8)
    for split in ("train", "val"):
        mask = cells.repeat(scale, 0).repeat(scale, 1)
        save(root, split, "picture", np.stack([mask, 255 - mask, mask], axis=-1), mask)
    return described(root, LARGE)


def save(root: Path, split: str, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    """One pair of a picture and its mask."""
    for kind, pixels, suffix in (("images", image, "jpg"), ("masks", mask, "png")):
        (root / split / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / split / kind / f"{name}.{suffix}")


def described(root: Path, classes: int) -> Path:
    """The YAML file of a data set of so many classes and background."""
    names = ", ".join(["background", *(f"class {number}" for number in range(1, classes + 1))])
    splits = [f"{split}: {{images: {split}/images, masks: {split}/masks}}\n" for split in ("train", "val")]
    (root / "data.yaml").write_text(f"classes: [{names}]\n{''.join(splits)}", encoding="utf-8")
    return root / "data.yaml"
