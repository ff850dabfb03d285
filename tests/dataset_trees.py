"""Small trees of real image files, as the published datasets lay them out."""

from pathlib import Path

import numpy as np
from PIL import Image

from dataset.base import voc_palette


def write_image(path, size=(20, 16), *, seed=0, **options):
    """A picture of noise; `size` is (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path, **options)


def write_mask(path, labels, size=(20, 16)):
    """A palette PNG in which each of `labels` fills a vertical stripe."""
    path.parent.mkdir(parents=True, exist_ok=True)
    row = np.array(labels, np.uint8)[np.arange(size[0]) * len(labels) // size[0]]
    mask = Image.fromarray(np.broadcast_to(row, (size[1], size[0])).copy())
    mask.putpalette(voc_palette().flatten().tolist())
    mask.save(path)


def write_voc(root, train, val, *, lists="ImageSets/Segmentation"):
    """VOC2012 with images {id: labels}; official list of val, none of train_aug."""
    for id, labels in (train | val).items():
        write_image(root / "JPEGImages" / f"{id}.jpg")
        write_mask(root / "SegmentationClassAug" / f"{id}.png", labels)
    for id, labels in val.items():
        write_mask(root / "SegmentationClass" / f"{id}.png", labels)
    (root / lists).mkdir(parents=True)
    (root / lists / "val.txt").write_text("\n".join(val) + "\n")
    return root


def write_ade(root, train, val):
    """ADEChallengeData2016 with images {id: labels}."""
    for split, images in {"training": train, "validation": val}.items():
        for id, labels in images.items():
            write_image(root / "images" / split / f"{id}.jpg")
            write_mask(root / "annotations" / split / f"{id}.png", labels)
    return root


def write_folder(root, train, val, *, classes=("background", "cat", "dog"), extra=""):
    """One's own data with images {id: labels}, and its YAML file; returns the file."""
    for split, images in {"train": train, "val": val}.items():
        for id, labels in images.items():
            write_image(root / "images" / split / f"{id}.jpg")
            write_mask(root / "masks" / split / f"{id}.png", labels)
    lines = [f"classes: [{', '.join(classes)}]", extra]
    lines += [f"{split}: {{images: images/{split}, masks: masks/{split}}}" for split in ("train", "val")]
    path = root / "pets.yaml"
    path.write_text("\n".join(lines))
    return path


def write_bands(folder: Path, shows: list[str]) -> None:
    """Noise and masks (40, 40) of classes a, b, c = 1, 2, 3: one for each word, a band for each letter."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number, classes in enumerate(shows):
        mask = np.zeros((40, 40), np.uint8)
        for name in classes:
            label = "-abc".index(name)
            mask[10 * label : 10 * label + 8] = label
        picture = np.random.default_rng(number).integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(picture).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
