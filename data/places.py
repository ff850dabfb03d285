"""Which files of a tree are a split: the values of `train`, `val` and `test`, and the keys that pair "
"names.
"""

import os
import re
from pathlib import Path

from data.tree import MASK_WORD, Tree
from dataset.own.lists import read_ids, read_pairs
from dataset.own.pairing import Affixes, one_form, propose

HELD_OUT = 20  # per cent
OTHER = re.compile(r"object|instance|colou?r|visual|overlay|preview|edge|border|depth", re.IGNORECASE)


def split_places(tree: Tree) -> tuple[dict[str, str], tuple[set, set]]:
    """The value of `train`, `val` and `test`, and the keys of photos and masks that they mean.

    Raises:
        FileNotFoundError: if there is nothing to pair.
    """
    if not tree.photos or not tree.masks:
        kinds = f"{sum(map(len, tree.photos.values()))} photos and {sum(map(len, tree.masks.values()))} masks"
        raise FileNotFoundError(
            f"{tree.root} has {kinds}; both are needed (PNG masks; others: python -m data.convert)"
        )
    photos, masks = by_split(tree.photos, masks=False), by_split(tree.masks, masks=True)
    if {"train", "val"} <= set(photos) and {"train", "val"} <= set(masks):
        found, used = {}, (set(), set())
        for split in ("train", "val", "test"):
            if split in photos and split in masks:
                found[split] = place_text(tree, photos[split], masks[split])
                used[0].add(photos[split]), used[1].add(masks[split])
        return found, used
    image, mask = likeliest(tree.photos, masks=False), likeliest(tree.masks, masks=True)
    lists = {split: listed(tree, split, names, image, mask) for split, names in tree.lists.items()}
    lists = {split: text for split, text in lists.items() if text}
    if not {"train", "val"} <= set(lists):
        whole = place_text(tree, image, mask)
        share = f"{HELD_OUT} %   # of the images of train; write folders or lists if you have a split"
        return {"train": whole, "val": share}, ({image}, {mask})
    return {split: lists[split] for split in ("train", "val", "test") if split in lists}, ({image}, {mask})


def by_split(kind: dict, masks: bool) -> dict[str, tuple[str, str]]:
    """The likeliest folder of each split."""
    splits = dict.fromkeys(split for split, _ in kind if split)
    return {
        one: likeliest({key: paths for key, paths in kind.items() if key[0] == one}, masks) for one in splits
    }


def likeliest(kind: dict, masks: bool) -> tuple[str, str]:
    """The key with the most files; of nearly as many, one whose name promises photos, or masks of classes."""
    most = max(map(len, kind.values()))

    def rank(key: tuple[str, str]) -> tuple:
        called = bool(MASK_WORD.search(key[1]))
        return 2 * len(kind[key]) >= most, not OTHER.search(key[1]), called == masks, len(kind[key]), key

    return max(kind, key=rank)


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


def quoted(text: str) -> str:
    """`text` as YAML reads it back."""
    plain = text.replace("_", "a").replace("/", "a").replace(".", "a").replace("-", "a")
    return text if plain.isalnum() and text.isascii() and text[0].isalpha() or text == "." else f'"{text}"'
