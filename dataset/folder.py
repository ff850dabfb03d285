"""Your own images and masks, described by a YAML file of about ten lines."""

import re
from pathlib import Path

import numpy as np
import yaml

from dataset.base import Sample
from dataset.files import PICTURES, FileDataset, inside, pictures, read_list
from utils.labels import IGNORE
from utils.naming import closest

KEYS = ("name", "root", "classes", "background", "ignore", "train", "val", "test", "tasks")
SPLITS = ("train", "val", "test")


class Folder(FileDataset):
    """A dataset described by a YAML file.

        name: camvid              # optional; default: the file's name
        root: ../camvid           # optional, relative to this file; --data_root wins
        classes: classes.txt      # a list of names, or a file with one per line: those of values 0, 1, 2, ...
        background: true          # whether the first class is background (default) or a class like any other
        ignore: 255               # optional: value, or list of values, that mean void; 255 always does
        train: {images: images/train, masks: annotations/train}   # folders, or patterns such as a/*/img/*.jpg
        val: lists/val.txt        # or a text file with one "image mask" per line
        test: ...                 # optional; results are reported on val without it
        tasks: [6-5, 6-1]         # optional; the first is the one of a run that names none

    All paths are relative to the root. An image and its mask have the same name up to the extension. A
    value that means void has no name in `classes` and does not count: with `ignore: 0`, value 1 is the
    first class.

    Args:
        root: folder of the data, "" for the one the file names, or else the file's own.
        description: the YAML file.
    """

    def __init__(self, root: Path | str, description: Path | str):
        self.description = Path(description).expanduser()
        content = read_description(self.description)
        place = Path(self._typed(content, "root", str, "."))
        super().__init__(root or self.description.parent / place)
        if not self.root.is_dir():
            raise FileNotFoundError(f"there is no folder {self.root}; give --data_root")
        self.name = self._typed(content, "name", str, self.description.stem)
        if not re.fullmatch(r"\w[\w .-]*", self.name):  # names files of the cache
            raise self._wrong(f"has name: {self.name!r}; use letters, digits, blanks, dots and hyphens")
        self.has_background = self._typed(content, "background", bool, True)
        self.class_names = self._class_names(content)
        self.label_map = self._label_map(content)
        self.tasks = tuple(map(str, self._typed(content, "tasks", list, [])))
        self.places = {split: content[split] for split in SPLITS if split in content}
        self.test_split = "test" if "test" in self.places else "val"
        for split in ("train", "val"):
            if split not in self.places:
                raise self._wrong(f"lacks {split}")

    def list_samples(self, split: str) -> list[Sample]:
        place = self.places.get(split)
        if place is None:
            raise ValueError(f"{self.name} has no split {split!r}; known: {', '.join(self.places)}")
        if isinstance(place, str):
            return self._listed(inside(self.root, place, self.description))
        if not isinstance(place, dict) or sorted(place) != ["images", "masks"]:
            raise self._wrong(f"needs for {split} {{images: ..., masks: ...}} or the name of a list")
        images, masks = (self._files(place[kind]) for kind in ("images", "masks"))
        by_name = {mask.stem: mask for mask in masks}
        if len(by_name) < len(masks):
            raise self._wrong(f"gives {split} masks of the same name in different folders; use a list file")
        for image in images:
            if image.stem not in by_name:
                raise FileNotFoundError(f"{image} has no mask of the same name in {place['masks']}")
        return [Sample(image.stem, image, by_name[image.stem]) for image in images]

    def _files(self, place: object) -> list[Path]:
        if not isinstance(place, str):
            raise self._wrong(f"has {place!r} where a folder or a pattern should be")
        path = inside(self.root, place, self.description)
        if "*" not in place and "?" not in place:
            return pictures(path)
        try:
            found = list(self.root.glob(str(path.relative_to(self.root))))
        except ValueError as error:
            raise self._wrong(f"has {place!r}, which is no pattern: {error}") from None
        return sorted(path for path in found if path.suffix.lower() in PICTURES)

    def _listed(self, path: Path) -> list[Sample]:
        if not path.is_file():
            raise FileNotFoundError(f"there is no {path}")
        lines = read_list(path)
        if any(len(words) != 2 for words in lines):
            raise ValueError(f"{path}: each line must name an image and its mask")
        pairs = [[inside(self.root, word, path) for word in words] for words in lines]
        return [
            Sample(str(image.relative_to(self.root).with_suffix("")), image, mask) for image, mask in pairs
        ]

    # -- the YAML file -----------------------------------------------------------------------------------
    def _typed(self, content: dict, key: str, kind: type, default):
        value = content.get(key, default)
        if not isinstance(value, kind):
            raise self._wrong(f"has {key}: {value!r}, which is no {KINDS[kind]}")
        return value

    def _class_names(self, content: dict) -> tuple[str, ...]:
        names = content.get("classes")
        if isinstance(names, str):
            path = inside(self.root, names, self.description)
            if not path.is_file():
                raise FileNotFoundError(f"there is no {path}, which {self.description} names as classes")
            names = [" ".join(words) for words in read_list(path)]
        if not isinstance(names, list) or not 2 <= len(names) < IGNORE:
            raise self._wrong("needs classes: a list of 2 to 254 names, or a file with one per line")
        for name in names:
            if not isinstance(name, str):
                raise self._wrong(f"has the class name {name!r}, which is no text to YAML; quote it")
        if len(set(names)) < len(names):
            raise self._wrong("gives the same name to two classes")
        return tuple(names)

    def _label_map(self, content: dict) -> np.ndarray | None:
        values = content.get("ignore", IGNORE)
        listed = values if isinstance(values, list) else [values]
        if not all(type(value) is int and 0 <= value <= 255 for value in listed):
            raise self._wrong(f"has ignore: {values!r}, which is no number of 0..255, nor a list of such")
        void = {*listed, IGNORE}
        named = [value for value in range(256) if value not in void]
        # Values without a name stay what they are, or move beyond the last class, where the scan refuses
        # them.
        table = np.full(256, IGNORE, np.uint8)
        table[named] = np.arange(len(named))
        return table if void != {IGNORE} else None

    def _wrong(self, what: str) -> ValueError:
        return wrong(self.description, what)


def described_tasks(description: Path | str) -> tuple[str, ...]:
    """The `tasks:` in the YAML file `description`, () if it has none; nothing else is looked at."""
    tasks = read_description(Path(description).expanduser()).get("tasks")
    return tuple(map(str, tasks)) if isinstance(tasks, list) else ()


def read_description(path: Path) -> dict:
    """What stands in the YAML file `path`, its keys checked.

    Raises:
        FileNotFoundError: if there is none. ValueError: if it is no such file, or has an unknown key.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}")
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except Exception as error:  # the reader stumbles over odd files in many ways, all of them plain data
        reason = " ".join(str(error).split()) or type(error).__name__
        raise wrong(path, f"is no YAML file: {reason}") from None
    if not isinstance(content, dict):
        raise wrong(path, f"must consist of lines `key: value` with the keys {', '.join(KEYS)}")
    for key in content:
        if key not in KEYS:
            closest(str(key), KEYS, f"key in {path}")
            raise wrong(path, f"has the key {key!r}; keys are lower case")
    return content


def wrong(path: Path, what: str) -> ValueError:
    """What to say about the file."""
    return ValueError(f"{path} {what}")


KINDS = {str: "text", bool: "true or false", list: "list"}
