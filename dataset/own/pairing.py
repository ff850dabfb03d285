"""Which mask belongs to which picture: by name, by name and affixes, or by a list of names."""

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from dataset.files import PICTURES, inside

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


@dataclass(frozen=True)
class Found:
    """A picture file, by which it can be paired.

    Attributes:
        path: of the file. stem: its name without extension and affixes. key: with the folders that differ.
    """

    path: Path
    stem: str
    key: str


def files(root: Path, place: str, source: Path) -> list[tuple[Path, str]]:
    """The pictures of a folder or a pattern below `root`, with what varies in their names; sorted.

    A folder that holds no picture itself stands for all that lies below it. Names that begin with a dot are
    no pictures.

    Raises:
        FileNotFoundError: if there is no such folder. ValueError: if it is no pattern.
    """
    path = inside(root, place, source)
    if not any(sign in place for sign in WILD) or path.is_dir():
        if not path.is_dir():
            raise FileNotFoundError(f"there is no folder {path}")
        flat = [path / name for name in os.listdir(path) if is_picture(name)]
        found = [file for file in flat if file.is_file()] or _below(path)
        return sorted((file, str(file.relative_to(path).with_suffix(""))) for file in found)
    pattern = path.relative_to(root)
    try:
        found = [file for file in root.glob(str(pattern)) if is_picture(file.name)]
    except ValueError as error:
        raise ValueError(f"{source} has {place!r}, which is no pattern: {error}") from None
    return sorted((file, _varying(file.relative_to(root), pattern)) for file in found)


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


def stripped(found: Sequence[tuple[Path, str]], prefix: str, suffix: str) -> list[Found]:
    """Those of `found` that have the affixes, known by what is between; accents in one form."""
    result = []
    for path, key in found:
        stem = one_form(path.stem)
        if stem.startswith(prefix) and stem.endswith(suffix) and len(stem) > len(prefix) + len(suffix):
            stem = stem[len(prefix) : len(stem) - len(suffix)]
            result.append(Found(path, stem, str(PurePath(one_form(key)).parent / stem)))
    return result


def one_form(name: str) -> str:
    """`name` with composed accents, as which decomposed ones of macOS look."""
    return unicodedata.normalize("NFC", name)


def index(found: Sequence[Found]) -> dict[str, Found] | None:
    """`found` by stem, if no two have the same."""
    by_stem = {one.stem: one for one in found}
    return by_stem if len(by_stem) == len(found) else None


def pairs(images: list[Found], masks: list[Found]) -> list[tuple[str, Path, Path | None]]:
    """Id, picture and mask of each of `images`; None where there is no mask.

    Files are known by their names; where one occurs in several folders, by folders and names.

    Raises:
        ValueError: if neither is unique.
    """
    by_stem = index(masks)
    if by_stem is not None and index(images) is not None:
        return [
            (one.stem, one.path, by_stem[one.stem].path if one.stem in by_stem else None) for one in images
        ]
    by_key = {one.key: one for one in masks}
    twice = {key for key, times in Counter(one.key for one in masks).items() if times > 1}
    stems = Counter(one.stem for one in masks)
    apart = [one.stem for one in images if one.key not in by_key and stems[one.stem] > 1]
    if len(by_key) < len(masks) or apart:
        name = apart[0] if apart else next(one.stem for one in masks if one.key in twice)
        twins = " and ".join([str(one.path) for one in masks if one.stem == name][:2])
        raise ValueError(
            f"has two masks of the same name, {twins}; give patterns that tell them apart, or a list file"
        )
    return [(one.key, one.path, by_key[one.key].path if one.key in by_key else None) for one in images]


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
