"""What every conversion writes: index PNGs, their class names, and a description for run.py."""

import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy import ndarray
from PIL import Image
from tqdm import tqdm

from dataset.base import voc_palette
from utils.files import write_bytes, write_text

THREADS = 8
SPLITS = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}
T = TypeVar("T")


def write_mask(labels: ndarray, path: Path) -> None:
    """Write `labels` uint8 (H, W) as a PNG with VOC's colours; of 16 bits and grey if uint16."""
    image = Image.fromarray(labels)
    if labels.dtype == np.uint8:
        image.putpalette(voc_palette().tobytes())
    data = io.BytesIO()
    image.save(data, format="PNG")
    write_bytes(path, data.getvalue())


def each(work: Callable[..., T], items: Sequence, what: str) -> list[T]:
    """Results of `work` on each of `items`, several at a time, with a progress bar."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(tqdm(pool.map(work, items), what, len(items), unit="file", disable=None))


def target_of(path: Path, source: Path, out: Path, suffix: str = ".png") -> Path:
    """Where below `out` the conversion of `path` goes, which lies below `source`.

    Raises:
        ValueError: if that is the file itself.
    """
    target = (out / path.relative_to(source)).with_suffix(suffix)
    if target.resolve() == path.resolve():
        raise ValueError(f"{target} would replace what it is made from: give another folder by --out")
    return target


def refuse_twins(targets: Sequence[Path], sources: Sequence[object]) -> None:
    """Raise a ValueError if two of `sources` would be written into one file."""
    known: dict[Path, object] = {}
    for target, source in zip(targets, sources, strict=True):
        if target in known:
            raise ValueError(f"{known[target]} and {source} would both become {target}: move one elsewhere")
        known[target] = source


def finish(out: Path, names: Sequence[str], masks: Sequence[Path], pictures: Sequence[Path | None]) -> str:
    """File the class names, and where splits are told from folders also a description; how to go on.

    Args:
        out: folder of the `masks`. names: of the values 0, 1, 2, ... pictures: of each mask, where known.
    """
    write_text(out / "classes.txt", "".join(f"{name}\n" for name in names))
    lines = [f"{len(masks)} masks are in {out}, the names of their values in {out / 'classes.txt'}"]
    places = splits_of(out, masks, pictures)
    if {"train", "val"} <= places.keys():
        write_text(out / "data.yaml", description(out, places))
        first = max(1, (len(names) - 1) // 2)
        lines += [f"described by {out / 'data.yaml'}: look at it, then"]
        lines += [f"python run.py --dataset {out / 'data.yaml'} --task {first}-{len(names) - 1 - first}"]
    else:
        lines += [
            "name them in a YAML file, see data/README.md: classes: .., train: {images: .., masks: ..}"
        ]
    return "\n".join(lines)


def splits_of(
    out: Path, masks: Sequence[Path], pictures: Sequence[Path | None]
) -> dict[str, tuple[Path, Path]]:
    """Folders of pictures and masks of each split, where the first folder below `out` is named after one."""
    found: dict[str, set[tuple[Path, Path]]] = {}
    for mask, picture in zip(masks, pictures, strict=True):
        first = mask.relative_to(out).parts[0].lower()
        split = next((split for split, words in SPLITS.items() if first in words), "")
        if split and picture is not None:
            found.setdefault(split, set()).add((picture.parent, mask.parent))
    return {split: next(iter(places)) for split, places in found.items() if len(places) == 1}


def description(out: Path, places: dict[str, tuple[Path, Path]]) -> str:
    """The YAML of the converted data, which lies in `out`; paths are relative, so that all can be moved."""
    every = [path.resolve() for pair in places.values() for path in pair] + [out.resolve()]
    root = Path(os.path.commonpath(every))

    def below(path: Path) -> str:
        return path.resolve().relative_to(root).as_posix()

    lines = [f"root: {Path(os.path.relpath(root, out.resolve())).as_posix()}"]
    lines += [f"classes: {below(out / 'classes.txt')}", "background: true", "ignore: 255"]
    lines += [
        f"{split}: {{images: {below(images)}, masks: {below(masks)}}}"
        for split, (images, masks) in sorted(places.items(), key=lambda item: list(SPLITS).index(item[0]))
    ]
    return "\n".join(lines) + "\n"
