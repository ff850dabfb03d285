"""The images of a split of one's own data, and which pictures are left out for want of a mask."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import compress
from pathlib import Path

from dataset.files import PICTURES, inside, stem
from dataset.own.description import Description
from dataset.own.lists import read_ids, read_pairs
from dataset.own.pairing import (
    Affixes,
    Found,
    Pairs,
    UnpairedError,
    files,
    one_form,
    pairs,
    propose,
    stripped,
)
from dataset.own.steps import NamedStep

PHOTOS = (".jpg", ".jpeg", ".webp")
FORMS = "{images: .., masks: ..}, the same with list: .., the name of a list, or for val a share such as 20 %"


def affixes(about: Description) -> Affixes:
    """What `prefix` and `suffix` say of the names of masks, or of both."""
    found = {}
    for key in ("prefix", "suffix"):
        given = about.content.get(key, "")
        words = {"masks": given} if isinstance(given, str) else given
        if (
            not isinstance(words, dict)
            or not set(words) <= {"images", "masks"}
            or not all(isinstance(word, str) for word in words.values())
        ):
            raise about.wrong(f'has {key}: {given!r}; write {key}: "_mask", or {{images: "_a", masks: "_b"}}')
        found |= {
            f"image_{key}": one_form(words.get("images", "")),
            f"mask_{key}": one_form(words.get("masks", "")),
        }
    return Affixes(**found)


def listed(about: Description, root: Path, split: str) -> tuple[Pairs, list[Path]]:
    """The images of `split`, and the pictures without a mask that are left out.

    With `val: 20 %` that share of the images of train is held out, chosen by a hash of their ids: the same
    on every machine, and whatever images are added.

    Raises:
        ValueError, FileNotFoundError: for what cannot be paired, with the key that helps.
    """
    share = re.fullmatch(r"(\d{1,2})\s*%", str(about.content["val"]))
    if not share or split == "test":
        return _pairs(about, root, split)
    if "train" not in about:
        raise about.wrong(f"has val: {share[0]}, a share of train, which it does not give")
    found, lacking = _pairs(about, root, "train")
    draws = [int.from_bytes(hashlib.sha256(id.encode()).digest()[:4]) / 2**32 for id in found.ids]
    border = max(int(share[1]) / 100, min(draws, default=0) + 2**-33)  # at least one
    held = split == "val"
    return some(found, [(draw < border) == held for draw in draws]), lacking


def some(found: Pairs, wanted: Sequence[object]) -> Pairs:
    """Those of `found` for which `wanted` has what counts as true."""
    return Pairs(*([*compress(column, wanted)] for column in found))


def listed_by_steps(
    about: Description, root: Path, steps: Sequence[NamedStep]
) -> tuple[Pairs, list[Path], list[str]]:
    """Training images that `steps` bring, what lacks a mask, and the steps whose files are gone.

    The id of an image begins with the name of its step and a colon.
    """
    found, lacking, gone = Pairs([], [], []), [], []
    for step in steps:
        try:
            own, without = _pairs(about, root, "train", step.train)
        except FileNotFoundError:
            gone.append(step.name)
            continue
        found.ids.extend(f"{step.name}:{id}" for id in own.ids)
        found.images.extend(own.images)
        found.masks.extend(own.masks)
        lacking += without
    return found, lacking, gone


def _pairs(about: Description, root: Path, split: str, place: object = None) -> tuple[Pairs, list[Path]]:
    place = about.content[split] if place is None else place
    if isinstance(place, str):
        return _of_list(about, root, split, inside(root, place, about.path)), []
    if not isinstance(place, dict) or not {"images", "masks"} <= set(place) <= {"images", "masks", "list"}:
        raise about.wrong(f"needs for {split} {FORMS}")
    for kind in place:
        if not isinstance(place[kind], str):
            raise about.wrong(f"has {place[kind]!r} where a folder or a pattern should be")
    images, masks = _both(about, root, split, place)
    for kind, one in (("images", images), ("masks", masks)):
        if not one.paths:
            raise FileNotFoundError(_nothing(about, root, split, place[kind], kind))
    found = pairs_of(about, images, masks)
    if "list" in place:
        found = _chosen(found, inside(root, place["list"], about.path), root)
    lacking = [Path(path) for path, mask in zip(found.images, found.masks, strict=True) if mask is None]
    if lacking and not about.choice("unlabelled", "skip"):
        raise _unpaired(about, root, place, lacking, len(found.ids))
    return some(found, found.masks) if lacking else found, lacking


def pairs_of(about: Description, images: Found, masks: Found) -> Pairs:
    """As `pairs`, whose complaints get the name of the description."""
    try:
        return pairs(images, masks)
    except ValueError as error:
        raise about.wrong(str(error)) from None


def _both(about: Description, root: Path, split: str, place: dict) -> tuple[Found, Found]:
    said = affixes(about)
    images, masks = (files(root, place[kind], about.path) for kind in ("images", "masks"))
    shared = not {*images[0]}.isdisjoint(masks[0])
    found = stripped(*masks, said.mask_prefix, said.mask_suffix)
    if shared and not (said.mask_prefix or said.mask_suffix):
        raise _in_one_folder(about, split, place, [Path(path) for path in images[0]])
    if shared:
        taken = {*found.paths}
        others = [path not in taken for path in images[0]]
        images = tuple([*compress(column, others)] for column in images)
    return stripped(*images, said.image_prefix, said.image_suffix), found


def _in_one_folder(about: Description, split: str, place: dict, paths: list[Path]) -> Exception:
    by_ending = defaultdict(list)
    for path in paths:
        by_ending[path.suffix].append(path)
    endings = sorted(by_ending, key=lambda ending: (ending.lower() not in PHOTOS, ending))
    found = (
        propose(paths, paths) if len(endings) != 2 else propose(by_ending[endings[0]], by_ending[endings[1]])
    )
    folder = place["images"].rstrip("/")
    cures = []
    if len(endings) == 2:
        cures.append(f"{split}: {{images: {folder}/*{endings[0]}, masks: {folder}/*{endings[1]}}}")
    if found and found.yaml():
        cures.append(found.yaml())
    hint = f"; give {' and '.join(cures)}" if cures else "; use a list file"
    return about.wrong(f"has pictures and masks of {split} in one folder{hint}", "\n".join(cures))


def _nothing(about: Description, root: Path, split: str, place: str, kind: str) -> str:
    """Why a folder or a pattern holds no pictures: other kinds of files, or names without the affixes."""
    if files(root, place, about.path)[0]:
        said = affixes(about).yaml().replace("\n", " and ")
        return f"{about.path}: no name in {place} has what {said} asks for"
    folder = root / place
    there = Counter(path.suffix for path in folder.rglob("*.*")) if folder.is_dir() else {}
    text = f"{about.path}: {split} has no {kind}: {place} holds no pictures ({' '.join(PICTURES)})"
    if not there:
        return text
    others = ", ".join(f"{number} {ending}" for ending, number in there.most_common(3))
    cure = "; python -m data.convert makes index PNGs of other kinds of masks" if kind == "masks" else ""
    return f"{text}, but {others}{cure}"


def _unpaired(about: Description, root: Path, place: dict, lacking: list[Path], number: int) -> UnpairedError:
    images, masks = (
        [Path(path) for path in files(root, place[kind], about.path)[0]] for kind in ("images", "masks")
    )
    fits = propose(images, masks)
    more = f" ({len(lacking)} of {number} lack one)"
    if fits and fits != affixes(about) and fits.yaml() and 2 * len(lacking) > number:
        cure = fits.yaml()
    else:
        cure = "unlabelled: skip" if len(lacking) < number else ""
    hint = {
        "": "; a list file can pair them",
        "unlabelled: skip": "; give unlabelled: skip to leave them out",
    }
    words = hint.get(cure, "; give " + cure.replace("\n", " and "))
    return UnpairedError(f"{lacking[0]} has no mask of the same name in {place['masks']}{more}{words}", cure)


def _of_list(about: Description, root: Path, split: str, path: Path) -> Pairs:
    try:
        rows = read_pairs(path, root)
    except ValueError as error:
        ids = path.is_file() and all(" " not in line.text and "," not in line.text for line in read_ids(path))
        if not ids:
            raise
        folders = ("JPEGImages", "SegmentationClass")
        images, masks = folders if all((root / one).is_dir() for one in folders) else ("FOLDER", "FOLDER")
        cure = f"{split}: {{images: {images}, masks: {masks}, list: {path.relative_to(root)}}}"
        raise about.wrong(f"{error}; for a list of names alone give {cure}", cure) from None
    images, masks = ([*map(str, column)] for column in zip(*rows, strict=True)) if rows else ([], [])
    return Pairs([str(image.relative_to(root).with_suffix("")) for image, _ in rows], images, masks)


def _chosen(found: Pairs, path: Path, root: Path) -> Pairs:
    """Those of `found` that the list `path` names by stem, file name, or path."""
    stems = Counter(map(stem, found.images))
    by_name: dict[str, int] = {}
    for place, (id, image) in enumerate(zip(found.ids, map(Path, found.images), strict=True)):
        whole = image.relative_to(root)
        names = [id, f"{id}{image.suffix}", str(whole), str(whole.with_suffix(""))]
        names += [image.stem, image.name] if stems[image.stem] == 1 else []
        by_name |= {one_form(name): place for name in names}
    chosen = []
    for line in read_ids(path):
        name = one_form(line.text.lstrip("/"))
        if name not in by_name:
            raise FileNotFoundError(f"{path}, line {line.number}: there is no picture called {line.text}")
        chosen.append(by_name[name])
    return Pairs(*([column[place] for place in chosen] for column in found))
