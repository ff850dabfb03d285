"""What lies in a folder of somebody's data: photos, masks, lists and class files, told apart by a look."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from dataset.own.classes import read_colours, read_names
from dataset.own.pairing import is_picture

SPLIT_WORDS = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "dev", "eval"),
    "test": ("test", "testing", "tst"),
}
MASK_WORD = re.compile(r"mask|label|annot|seg|gt|ground|target|indices|classes", re.IGNORECASE)
LOOKED_AT, FEW = 5, 64  # files of a folder; values or colours that a mask has at most
CLASS_FILES = "classes labels names class_names label_names classnames categories labelmap".split()
TEXTS = (".txt", ".csv", ".names")


@dataclass
class Tree:
    """The parts of a tree, all paths relative to `root`.

    Attributes:
        photos, masks: files by (split, folder); split is "" where no folder is called so.
        names: the class file. colours: a table of colours. lists: text files by split.
    """

    root: Path
    photos: dict[tuple[str, str], list[Path]] = field(default_factory=lambda: defaultdict(list))
    masks: dict[tuple[str, str], list[Path]] = field(default_factory=lambda: defaultdict(list))
    names: str = ""
    colours: str = ""
    lists: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def look(root: Path) -> Tree:
    """The tree below `root`; a few files of each folder are opened."""
    tree, texts = Tree(root), []
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        folder = Path(place)
        sort_pictures(tree, folder, [folder / name for name in sorted(names) if is_picture(name)])
        texts += [folder / name for name in sorted(names) if name.lower().endswith(TEXTS) and name[0] != "."]
    for path in sorted(texts, key=lambda path: (len(path.parts), path)):
        sort_text(tree, path)
    return tree


def sort_pictures(tree: Tree, folder: Path, paths: list[Path]) -> None:
    """Put the pictures of one folder where they belong: by their ending, as one kind is mostly told by it."""
    split, place = split_of(folder.relative_to(tree.root))
    kinds = defaultdict(list)
    for path in paths:
        kinds[family(path)].append(path)
    for found in kinds.values():
        step = max(1, len(found) // LOOKED_AT)
        verdicts = [is_mask(path) for path in found[::step][:LOOKED_AT]]
        target = tree.masks if 2 * sum(verdicts) > len(verdicts) else tree.photos
        target[split, place] += found


def family(path: Path) -> tuple[str, str]:
    """What tells kinds of files apart in one folder: the ending, and letters at the end of the name."""
    tail = re.search(r"[_-]([A-Za-z]\w*?)$", path.stem)
    return path.suffix.lower(), tail[1].lower() if tail and not re.search(r"\d", tail[1]) else ""


def split_of(folder: Path) -> tuple[str, str]:
    """The split that a part of `folder` names, and the folder up to that part; "" and all of it without."""
    for position, part in enumerate(folder.parts):
        words = re.split(r"[^a-z]+", part.lower())
        for split, known in SPLIT_WORDS.items():
            if any(word in known for word in words):
                return split, str(Path(*folder.parts[: position + 1]))
    return "", str(folder)


def is_mask(path: Path) -> bool:
    """Whether a picture looks like a mask: few values, all of them areas; folders called masks help."""
    called = bool(MASK_WORD.search(path.parent.name) or MASK_WORD.search(path.stem))
    try:
        with Image.open(path) as image:
            if image.mode == "P" and image.format == "PNG":
                return True
            if image.format in ("JPEG", "MPO", "WEBP"):
                return called and image.mode == "L"
            if image.mode in ("I", "F") or image.mode.startswith("I;16"):
                return called
            if getattr(image, "n_frames", 1) > 1:
                return called
            pixels = np.array(image)
    except (OSError, ValueError, SyntaxError):
        return called
    flat = pixels.reshape(pixels.shape[0] * pixels.shape[1], -1)
    shown = len(np.unique(flat.astype(np.int64) @ (256 ** np.arange(flat.shape[1]))))
    return shown <= FEW or called and shown <= 256


def sort_text(tree: Tree, path: Path) -> None:
    """Note a class file, a table of colours, or a list of a split; the uppermost wins."""
    place = str(path.relative_to(tree.root))
    stem = path.stem.lower()
    try:
        if not tree.colours and len(read_colours(path, missing_ok=True)) > 1:
            tree.colours = place
            return
        if not tree.names and stem in CLASS_FILES and 2 <= len(read_names(path)) < 255:
            tree.names = place
            return
    except (ValueError, OSError):
        return
    for split, words in SPLIT_WORDS.items():
        if any(word in words for word in re.split(r"[^a-z]+", stem)):
            tree.lists[split].append(place)


def spread(paths: Sequence[Path], number: int) -> Iterable[Path]:
    """At most `number` of `paths`, evenly spread."""
    return list(paths)[:: max(1, len(paths) // number)][:number]
