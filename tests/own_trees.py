"""Own data in the habits of many people: photos of noise, and masks of stripes in whatever form they come."""

from pathlib import Path

import numpy as np
from PIL import Image

from dataset.folder import Folder
from dataset.presence import accepted, scan
from tests.dataset_trees import write_image

SIZE = (20, 16)  # width and height


def stripes(values, size=SIZE, dtype=np.uint8):
    """An array (H, W) or (H, W, C) in which each of `values` fills a vertical stripe."""
    values = np.array(values, dtype)
    columns = values[np.arange(size[0]) * len(values) // size[0]]
    return np.broadcast_to(columns, (size[1], *columns.shape)).copy()


def save(path, pixels, palette=None, **options):
    """Write an array as a picture, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette)
    image.save(path, **options)


def tree(
    root: Path, masks, extra="", *, classes="[background, a, b]", image=write_image, ending=".png", **options
):
    """A data set whose training and validation masks are the arrays `masks`; returns its YAML file."""
    for split in ("train", "val"):
        for number, pixels in enumerate(masks):
            image(root / f"images/{split}/{number}.jpg")
            save(root / f"masks/{split}/{number}{ending}", pixels, **options)
    lines = [f"classes: {classes}"] if classes else []
    lines += [
        extra,
        *(f"{split}: {{images: images/{split}, masks: masks/{split}}}" for split in ("train", "val")),
    ]
    path = root / "own.yaml"
    path.write_text("\n".join(lines))
    return path


def first_row(description, root="", number=0):
    """Labels of the first row of a training mask, each stripe once."""
    dataset = Folder(root, description)
    labels = dataset.read_mask(dataset.samples("train")[number])[0].tolist()
    return [label for place, label in enumerate(labels) if not place or labels[place - 1] != label]


def scanned(description, split="train"):
    """The table of a split; the judgement of the whole included."""
    dataset = Folder("", description)
    table = scan(dataset, dataset.samples(split), split)
    dataset.judge(split, table)
    return table


def complaint(description, number=0):
    """What speaks against a training pair."""
    dataset = Folder("", description)
    return accepted(dataset.survey(dataset.samples("train")[number]))
