"""A description for a tree that has none: the YAML file that `data.check DIR` prints or writes."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from data.tree import Tree, look, spread
from dataset.decode import named
from dataset.headers import BadFileError, read_header
from dataset.own.classes import read_colours, read_names
from dataset.own.labels import packed, unpacked
from dataset.own.lists import read_ids, read_pairs
from dataset.own.masks import MaskReading, read_mask
from dataset.own.meaning import BACKGROUND_NAMES
from dataset.own.pairing import Affixes, one_form, propose
from dataset.own.survey import check_picture
from dataset.decode import Reading
from utils.labels import IGNORE

MASKS, PICTURES = 60, 20  # files that a proposal is made from
MOST_COLOURS = 64
VALUE_WORDS = {0: "background", IGNORE: "void"}


def proposal(root: Path, out: Path | None = None) -> str:
    """The YAML file for the data in `root`, to be written as `out`.

    Raises:
        FileNotFoundError: if no pictures with masks are found; the message says what was.
    """
    tree = look(root)
    places, paired = split_places(tree)
    affixes = affix_lines(tree, places, paired)
    masks = [path for key, paths in tree.masks.items() if key in paired[1] for path in paths]
    photos = [path for key, paths in tree.photos.items() if key in paired[0] for path in paths]
    lines = [f"# {root.name}: proposed by data.check from what it found; look at every line"]
    start = out.parent if out else Path()
    lines.append(f"root: {quoted(os.path.relpath(root, start))}")
    lines += mask_lines(tree, masks)
    lines += picture_lines(photos)
    lines += affixes.splitlines()
    lines += [f"{split}: {text}" for split, text in places.items()]
    return "\n".join(lines) + "\n"


# -- which files ---------------------------------------------------------------------------------------------
def split_places(tree: Tree) -> tuple[dict[str, str], tuple[set, set]]:
    """The value of `train`, `val` and `test`, and the keys of photos and masks that they mean.

    Raises:
        FileNotFoundError: if there is nothing to pair, or nothing to validate on.
    """
    if not tree.photos or not tree.masks:
        kinds = f"{sum(map(len, tree.photos.values()))} photos and {sum(map(len, tree.masks.values()))} masks"
        raise FileNotFoundError(f"{tree.root} has {kinds}; both are needed (PNG masks; others: python -m data.convert)")
    photos, masks = by_split(tree.photos), by_split(tree.masks)
    if {"train", "val"} <= set(photos) and {"train", "val"} <= set(masks):
        found, used = {}, (set(), set())
        for split in ("train", "val", "test"):
            if split in photos and split in masks:
                found[split] = place_text(tree, photos[split], masks[split])
                used[0].add(photos[split]), used[1].add(masks[split])
        return found, used
    image, mask = biggest(tree.photos), biggest(tree.masks)
    lists = {split: listed(tree, split, names, image, mask) for split, names in tree.lists.items()}
    lists = {split: text for split, text in lists.items() if text}
    if not {"train", "val"} <= set(lists):
        raise FileNotFoundError(
            f"{tree.root}: {len(tree.photos[image])} photos in {image[1]} and {len(tree.masks[mask])} masks in {mask[1]}, "
            "but no folders train and val, nor lists train.txt and val.txt that say which to train and to test on"
        )
    return {split: lists[split] for split in ("train", "val", "test") if split in lists}, ({image}, {mask})


def by_split(kind: dict) -> dict[str, tuple[str, str]]:
    """The largest folder of each split."""
    found: dict[str, tuple[str, str]] = {}
    for key, paths in kind.items():
        if key[0] and (key[0] not in found or len(paths) > len(kind[found[key[0]]])):
            found[key[0]] = key
    return found


def biggest(kind: dict) -> tuple[str, str]:
    """The key with the most files."""
    return max(kind, key=lambda key: (len(kind[key]), key))


def place_text(tree: Tree, image: tuple, mask: tuple, listed: str = "") -> str:
    """The value of a split; patterns where folders or endings have to tell pictures from masks."""
    kinds = tree.photos[image], tree.masks[mask]
    places = [common_folder(tree.root, paths) for paths in kinds]
    if places[0] == places[1]:
        parents = [{path.parent for path in paths} for paths in kinds]
        names = [{folder.name for folder in one} for one in parents]
        endings = [{path.suffix for path in paths} for paths in kinds]
        if not parents[0] & parents[1] and all(len(one) == 1 for one in names):
            places = [f"{place}/**/{one.pop()}/*" for place, one in zip(places, names, strict=True)]
        elif all(len(one) == 1 for one in endings) and endings[0] != endings[1]:
            deep = "" if len(parents[0]) == 1 else "**/"
            places = [f"{place}/{deep}*{one.pop()}" for place, one in zip(places, endings, strict=True)]
        places = [place.removeprefix("./") for place in places]
    more = f", list: {quoted(listed)}" if listed else ""
    return f"{{images: {quoted(places[0])}, masks: {quoted(places[1])}{more}}}"


def common_folder(root: Path, paths: list[Path]) -> str:
    """The folder, relative to `root`, in or below which all of `paths` lie."""
    return os.path.relpath(os.path.commonpath([path.parent for path in paths]), root)


def listed(tree: Tree, split: str, names: list[str], image: tuple, mask: tuple) -> str:
    """The value of `split` by the first of the lists `names` that fits; "" if none does."""
    stems = {one_form(path.stem) for path in tree.photos[image]}
    for name in sorted(names, key=lambda name: ("segmentation" not in name.lower(), len(name))):
        path = tree.root / name
        try:
            pairs = read_pairs(path, tree.root)
            if pairs and all(one.is_file() for one in pairs[0]):
                return quoted(name)
        except (ValueError, OSError):
            pass
        try:
            ids = read_ids(path)
        except (ValueError, OSError):
            continue
        known = sum(one_form(Path(line.text).stem) in stems or one_form(line.text) in stems for line in ids)
        if ids and 2 * known > len(ids):
            return place_text(tree, image, mask, name)
    return ""


def affix_lines(tree: Tree, places: dict[str, str], paired: tuple[set, set]) -> str:
    """The keys that pair names of pictures and masks that are not equal."""
    photos, masks = ([path for key in keys for path in kind[key]]
                     for keys, kind in zip(paired, (tree.photos, tree.masks), strict=True))  # fmt: skip
    if all("list" not in text and "images" not in text for text in places.values()):
        return ""  # lists of pairs
    fits = propose(photos, masks) or Affixes()
    same = {one_form(path.stem) for path in photos} & {one_form(path.stem) for path in masks}
    text = "" if 2 * len(same) >= len(photos) else fits.yaml()
    if len(same) < len(photos) and not text and "list" not in "".join(places.values()):
        text = "unlabelled: skip"
    return text


# -- what is in them -----------------------------------------------------------------------------------------
def mask_lines(tree: Tree, paths: list[Path]) -> list[str]:
    """The keys that say what masks hold."""
    how, extra = MaskReading(stated=True), []
    pixels: Counter = Counter()
    coloured = False
    for path in spread(paths, MASKS):
        for _ in range(3):
            try:
                mask = named(path, lambda path=path: read_mask(path, how))
            except BadFileError as error:
                if error.kind == "colour masks":
                    coloured, how = True, replace(how, colours=True)
                elif error.cure == "channel: 0" and not coloured:
                    how, extra = replace(how, channel=0), [*extra, error.cure]
                elif error.cure == "lossy: nearest":
                    how, extra = replace(how, lossy=True), [*extra, error.cure]
                else:
                    break
                continue
            pixels.update(shown(mask, coloured))
            break
    if coloured:
        return extra + colour_lines(tree, [tuple(map(int, one)) for one in unpacked(sorted(pixels))])
    return extra + value_lines(tree, sorted(pixels))


def shown(mask, coloured: bool) -> dict[int, int]:
    """Values, or packed colours, of a mask with their pixels."""
    values = mask.values
    if coloured:
        values = packed(values if values.ndim == 3 else mask.palette[values])
    found, pixels = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), pixels.tolist(), strict=True))


def colour_lines(tree: Tree, colours: list[tuple[int, int, int]]) -> list[str]:
    """The table of colours that lies there, else one with names to replace."""
    if tree.colours:
        names = [name for name, _ in read_colours(tree.root / tree.colours)]
        return [f"colors: {quoted(tree.colours)}", *background(names)]
    if len(colours) > MOST_COLOURS:
        return [f"# {len(colours)} colours: too many for classes; what made these masks?"]
    lines = ["background: false   # or the name of the class that is", "colors:   # replace the names; void is no class"]
    names = ["void" if colour == (0, 0, 0) else f"class_{place}" for place, colour in enumerate(colours)]
    return lines + [f"  {name}: [{', '.join(map(str, colour))}]" for name, colour in zip(names, colours, strict=True)]


def value_lines(tree: Tree, values: list[int]) -> list[str]:
    """Names for the values that occur: from the class file, or made up to be replaced."""
    if tree.names:
        names = read_names(tree.root / tree.names)
        return [f"classes: {quoted(tree.names)}   # the names of values 0, 1, 2, ..", *background(names)]
    if len(values) > 254:
        return [f"# {len(values)} values, up to {values[-1]}: instances? then divide_by: 1000, or values: {{1-65535: thing}}"]
    if values == [0, IGNORE]:
        return ["values: {0: background, 255: foreground}   # replace the names"]
    classes = [value for value in values if value != IGNORE]
    if classes == list(range(len(classes))):
        return [f"classes: [{', '.join(VALUE_WORDS.get(value, f'class_{value}') for value in classes)}]   # replace the names"]
    words = [f"{value}: {VALUE_WORDS.get(value, f'class_{value}')}" for value in values]
    return [f"values: {{{', '.join(words)}}}   # replace the names; several values may have one", *(
        [] if 0 in values else ["background: false"])]  # fmt: skip


def background(names: list[str]) -> list[str]:
    """The key that says that no class is background, unless one is called so."""
    usual = next((name for name in names if name.lower() in BACKGROUND_NAMES), None)
    if usual is None:
        return ["background: false   # or the name of the class that is"]
    return [] if names[0] == usual else [f"background: {quoted(usual)}"]


def picture_lines(paths: list[Path]) -> list[str]:
    """The keys that pictures of more than 8 bits or 3 bands need."""
    reading, lines = Reading(), {}
    for path in spread(paths, PICTURES):
        for _ in range(2):
            try:
                check_picture(path, named(path, lambda path=path: read_header(path)), reading)
            except BadFileError as error:
                key, _, value = error.cure.partition(": ")
                if key == "bands":
                    reading = replace(reading, bands=tuple(map(int, value.strip("[]").split(","))))
                    lines[key] = error.cure
                    continue
                if key == "range":
                    lines[key] = max(lines.get(key, error.cure), error.cure, key=lambda cure: float(cure[:-1].split(",")[1]))
            break
    return list(lines.values())


def quoted(text: str) -> str:
    """`text` as YAML reads it back."""
    plain = text.replace("_", "a").replace("/", "a").replace(".", "a").replace("-", "a")
    return text if plain.isalnum() and text.isascii() and text[0].isalpha() or text == "." else f'"{text}"'
