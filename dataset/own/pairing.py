"""Which mask belongs to which picture: by name, by name and affixes, or by a list of names."""

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

from dataset.files import PICTURES, below, inside, stem

SAMPLED = 60  # names looked at for a proposal
JOINTS = "_-. "  # signs that go with an affix
WILD = ("*", "?", "[")


class UnpairedError(FileNotFoundError):
    """Pictures without a mask; `cure` is the line of YAML that helps."""

    def __init__(self, message: str, cure: str = ""):
        super().__init__(message)
        self.kind, self.cure = "pictures without a mask", cure


@dataclass(frozen=True)
class Affixes:
    """What surrounds the common part of the names of pictures and masks, without extension."""

    image_prefix: str = ""
    image_suffix: str = ""
    mask_prefix: str = ""
    mask_suffix: str = ""

    def yaml(self) -> str:
        """The lines of a description that say so, as one line of flow style."""
        parts = []
        for key, image, mask in (("prefix", self.image_prefix, self.mask_prefix),
                                 ("suffix", self.image_suffix, self.mask_suffix)):  # fmt: skip
            if image:
                parts.append(f'{key}: {{images: "{image}", masks: "{mask}"}}')
            elif mask:
                parts.append(f'{key}: "{mask}"')
        return "\n".join(parts)


class Found(NamedTuple):
    """Picture files, by which they can be paired.

    Attributes:
        paths: of the files. stems: their names without extension and affixes. keys: with the folders that
            differ.
    """

    paths: list[str]
    stems: list[str]
    keys: list[str]


class Pairs(NamedTuple):
    """Ids, pictures and masks; None where there is no mask."""

    ids: list[str]
    images: list[str]
    masks: list[str | None]


def files(root: Path, place: str, source: Path) -> tuple[list[str], list[str]]:
    """Paths of the pictures of a folder or a pattern below `root`, and what varies in their names; sorted.

    A folder that holds no picture itself stands for all that lies below it. Names that begin with a dot are
    no pictures.

    Raises:
        FileNotFoundError: if there is no such folder. ValueError: if it is no pattern.
    """
    path = inside(root, place, source)
    if not any(sign in place for sign in WILD) or path.is_dir():
        if not path.is_dir():
            raise FileNotFoundError(f"there is no folder {path}")
        with os.scandir(path) as entries:
            flat = sorted(one.name for one in entries if is_picture(one.name) and one.is_file())
        if flat:
            return below(path, flat), [stem(name) for name in flat]
        nested = sorted(_below(path))
        return [*map(str, nested)], [str(file.relative_to(path).with_suffix("")) for file in nested]
    pattern = path.relative_to(root)
    try:
        found = sorted(file for file in root.glob(str(pattern)) if is_picture(file.name))
    except ValueError as error:
        raise ValueError(f"{source} has {place!r}, which is no pattern: {error}") from None
    return [*map(str, found)], [_varying(file.relative_to(root), pattern) for file in found]


def is_picture(name: str) -> bool:
    """Whether a file is a picture by its name; macOS' `._x.jpg` and other hidden files are not."""
    return name.lower().endswith(PICTURES) and not name.startswith(".")


def _below(path: Path) -> list[Path]:
    found = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        found += [Path(folder) / name for name in names if is_picture(name)]
    return found


def _varying(file: PurePath, pattern: PurePath) -> str:
    """The parts of `file` for which `pattern` has a wildcard, and its name."""
    parts, signs = file.parts, pattern.parts
    if "**" in signs:
        at = signs.index("**")
        tail = len(signs) - at - 1
        signs = (*signs[:at], *["*"] * (len(parts) - at - tail), *signs[len(signs) - tail :])
    varying = [
        part for part, sign in zip(parts[:-1], signs, strict=False) if any(wild in sign for wild in WILD)
    ]
    return str(PurePath(*varying, file.stem))


def stripped(paths: Sequence[str], keys: Sequence[str], prefix: str, suffix: str) -> Found:
    """Those of `files` that have the affixes, known by what is between; accents in one form.

    The last part of a key is the name of the file without extension.
    """
    keys = [one_form(key) for key in keys]
    stems = [key.rpartition(os.sep)[2] for key in keys]
    if not prefix and not suffix:
        return Found([*paths], stems, keys)
    found = Found([], [], [])
    for path, name, key in zip(paths, stems, keys, strict=True):
        if name.startswith(prefix) and name.endswith(suffix) and len(name) > len(prefix) + len(suffix):
            part = name[len(prefix) : len(name) - len(suffix)]
            found.paths.append(path)
            found.stems.append(part)
            found.keys.append(key[: len(key) - len(name)] + part)
    return found


def one_form(name: str) -> str:
    """`name` with composed accents, as which decomposed ones of macOS look."""
    return unicodedata.normalize("NFC", name)


def pairs(images: Found, masks: Found) -> Pairs:
    """Id, picture and mask of each of `images`.

    Files are known by their names; where one occurs in several folders, by folders and names.

    Raises:
        ValueError: if neither is unique.
    """
    by_stem = dict(zip(masks.stems, masks.paths, strict=True))
    if len(by_stem) == len(masks.stems) and len({*images.stems}) == len(images.stems):
        return Pairs(images.stems, images.paths, [*map(by_stem.get, images.stems)])
    by_key = dict(zip(masks.keys, masks.paths, strict=True))
    twice = {key for key, times in Counter(masks.keys).items() if times > 1}
    stems = Counter(masks.stems)
    apart = [
        name
        for name, key in zip(images.stems, images.keys, strict=True)
        if key not in by_key and stems[name] > 1
    ]
    if twice or apart:
        name = apart[0] if apart else masks.stems[[key in twice for key in masks.keys].index(True)]
        same = [path for path, other in zip(masks.paths, masks.stems, strict=True) if other == name]
        raise ValueError(
            f"has two masks of the same name, {' and '.join(same[:2])}; give patterns that tell them apart, "
            "or a list file"
        )
    return Pairs(images.keys, images.paths, [*map(by_key.get, images.keys)])


def propose(images: Sequence[Path], masks: Sequence[Path]) -> Affixes | None:
    """The affixes by which most of the names can be paired, None if nothing pairs at least half."""
    image_stems = [one_form(path.stem) for path in images]
    mask_stems = [one_form(path.stem) for path in masks]
    votes: Counter[Affixes] = Counter()
    for image in sorted(image_stems)[:SAMPLED]:
        for mask in sorted(mask_stems)[: 4 * SAMPLED]:
            front = os.path.commonprefix([image, mask]).rstrip(JOINTS)
            back = os.path.commonprefix([image[::-1], mask[::-1]])[::-1].lstrip(JOINTS)
            if front:
                votes[Affixes(image_suffix=image[len(front) :], mask_suffix=mask[len(front) :])] += 1
            if back:
                votes[Affixes(image_prefix=image[: -len(back)], mask_prefix=mask[: -len(back)])] += 1
    known = set(mask_stems)
    best, most = None, 0
    for affixes, _ in votes.most_common(12):
        names = [_common(stem, affixes.image_prefix, affixes.image_suffix) for stem in image_stems]
        hits = len(
            {name for name in names if name and affixes.mask_prefix + name + affixes.mask_suffix in known}
        )
        if hits > most:
            best, most = affixes, hits
    return best if most and 2 * most >= len(image_stems) else None


def _common(stem: str, prefix: str, suffix: str) -> str:
    fits = stem.startswith(prefix) and stem.endswith(suffix) and len(stem) > len(prefix) + len(suffix)
    return stem[len(prefix) : len(stem) - len(suffix)] if fits else ""
