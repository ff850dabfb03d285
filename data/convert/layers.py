"""One mask per class (folders, suffixes of names, or pages of a file) as one index mask."""

from pathlib import Path

import numpy as np
from numpy import ndarray
from PIL import Image

from data.convert.classes import Classes, classes_of
from data.convert.writing import each, finish, refuse_twins, write_mask
from dataset.files import PICTURES
from utils.decoding.opening import LOSSY
from utils.files import files_below

WINNERS = ("first", "last", "void")
HALF, FAINT = 128, 16  # of 255, in lossy masks: set from here on; noise up to here


def convert(
    source: Path, out: Path, listed: Path | None = None, *, overlap: str = "", images: Path | None = None
) -> str:
    """Index masks from masks of single classes, where every pixel that is not 0 belongs to the class.

    What lies below `source` is told by its names: folders called after classes, with masks of equal names in
    them; files `<picture>_<class>.png`; or files with a page per class, in the order of the list.

    Args:
        listed: file of class names; without it they are the names of the folders.
        overlap: what a pixel of several classes is: "first" or "last" of them in the list, "void", or "" to
            refuse it. images: folder of the pictures, if known.

    Raises:
        FileNotFoundError, ValueError: naming file and classes, and what is wrong.
    """
    files = files_below(source, PICTURES)
    classes = classes_of(listed, folder_names(source, files) if listed is None else [])
    layers = by_mask(source, files, classes)
    targets = [(out / name).with_name(f"{Path(name).name}.png") for name in layers]
    refuse_twins(targets, list(layers))

    def work(job: tuple[Path, list[tuple[int, Path, int]]]) -> None:
        target, parts = job
        write_mask(merged(parts, classes, overlap), target)

    each(work, list(zip(targets, layers.values(), strict=True)), "merging masks")
    return finish(out, classes.names, targets, [images / name if images else None for name in layers])


def folder_names(source: Path, files: list[Path]) -> list[str]:
    """The classes that the folders of `files` are called after.

    Raises:
        ValueError: if there are no such folders.
    """
    names = sorted({path.relative_to(source).parts[-2] for path in files if path.parent != source})
    if len(names) < 1 or any(path.parent == source for path in files):
        raise ValueError(f"{source} has no folder for each class: name the classes in a file, --classes FILE")
    return names


def by_mask(source: Path, files: list[Path], classes: Classes) -> dict[str, list[tuple[int, Path, int]]]:
    """For the name of each mask its layers: value of the class, file, and page of the file.

    Raises:
        ValueError: naming a file that belongs to no class.
    """
    known = {name.lower(): value for value, name in enumerate(classes.names) if value}
    found: dict[str, list[tuple[int, Path, int]]] = {}
    for path in files:
        parent, folder = path.parent.relative_to(source), path.parent.name.lower()
        suffix = next((name for name in known if path.stem.lower().endswith(f"_{name}")), "")
        if path.parent != source and folder in known:
            found.setdefault((parent.parent / path.stem).as_posix(), []).append((known[folder], path, 0))
        elif suffix:
            stem = path.stem[: -len(suffix) - 1]
            found.setdefault((parent / stem).as_posix(), []).append((known[suffix], path, 0))
        else:
            found.setdefault((parent / path.stem).as_posix(), []).extend(pages(path, len(classes.names) - 1))
    return found


def pages(path: Path, number: int) -> list[tuple[int, Path, int]]:
    """The layers of a file with a page per class.

    Raises:
        ValueError: if it has another number of pages.
    """
    with Image.open(path) as image:
        have = getattr(image, "n_frames", 1)
    if have != number or number == 1:
        raise ValueError(
            f"{path} belongs to no class: it lies in no folder of a class, its name ends in none, and it has "
            f"{have} pages for {number} classes"
        )
    return [(page + 1, path, page) for page in range(number)]


def merged(parts: list[tuple[int, Path, int]], classes: Classes, overlap: str) -> ndarray:
    """Labels uint8 (H, W) from layers.

    Raises:
        ValueError: if sizes differ, or classes overlap and nothing says which counts.
    """
    labels: ndarray | None = None
    for value, path, page in sorted(parts, key=lambda part: part[0]):
        layer = read(path, page)
        labels = np.zeros(layer.shape, np.uint8) if labels is None else labels
        if layer.shape != labels.shape:
            raise ValueError(f"{path} is of another size than the masks of other classes")
        both = layer & (labels > 0)
        if both.any() and not overlap:
            other = classes.names[int(labels[both][0])]
            raise ValueError(
                f"{path}: {int(both.sum())} pixels are {classes.names[value]} and {other}: say what counts "
                f"by --overlap {', '.join(WINNERS)}"
            )
        labels[layer if overlap in ("", "last") else layer & ~both] = value
        if overlap == "void":
            labels[both] = 255
    return labels


def read(path: Path, page: int) -> ndarray:
    """Where a mask of one class is set, bool (H, W): not 0, or in lossy formats nearer to 255 than to 0.

    Raises:
        ValueError: if a lossy one is dark throughout, so that nobody can know.
    """
    with Image.open(path) as image:
        lossy = image.format in LOSSY
        image.seek(page)
        frame = image.convert("RGB") if image.mode in ("LA", "PA", "RGBA", "CMYK", "YCbCr") else image
        pixels = np.asarray(frame)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    brightest = pixels.max()
    if lossy and HALF > brightest > FAINT:
        raise ValueError(f"{path} is lossy and nowhere brighter than {brightest}: store it as PNG")
    return (pixels >= HALF if lossy else pixels != 0).any(axis=-1)
