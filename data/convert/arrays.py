"""Masks in arrays of numpy, and masks whose values have to become others, as index masks."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy import ndarray
from PIL import Image

from data.convert.classes import classes_of
from data.convert.writing import each, finish, refuse_twins, target_of, write_mask
from dataset.files import PICTURES
from utils.decoding.decode import read_index_mask
from utils.files import files_below
from utils.labels import IGNORE

AXES = {"first": 0, "last": -1}


def convert(
    source: Path,
    out: Path,
    listed: Path | None = None,
    *,
    one_hot: str = "",
    values: Mapping[int, int] | None = None,
    images: Path | None = None,
) -> str:
    """Index masks of the .npy and .npz files below `source`, in the same folders below `out`.

    Args:
        listed: file of class names, of the values 1, 2, ...; without it they are numbered.
        one_hot: "first" or "last": the axis of three that has a layer per class; the greatest wins.
        values: what becomes of which value. images: folder of the pictures, if known.

    Raises:
        FileNotFoundError, ValueError: naming the file and what is wrong with it.
    """
    files = files_below(source, [".npy", ".npz"])
    return _convert(files, source, out, listed, lambda path: indices(path, one_hot), values or {}, images)


def remap(
    source: Path, out: Path, listed: Path | None, values: Mapping[int, int], images: Path | None = None
) -> str:
    """Index masks of the mask pictures below `source` with other `values`; otherwise as `convert`."""
    files = files_below(source, PICTURES)
    return _convert(files, source, out, listed, stored, values, images)


def _convert(files, source, out, listed, read, values, images) -> str:
    targets = [target_of(path, source, out) for path in files]
    refuse_twins(targets, files)

    def work(job: tuple[Path, Path]) -> int:
        path, target = job
        labels = mapped(read(path), values, path)
        write_mask(labels, target)
        return int(labels[labels != IGNORE].max(initial=0))

    highest = max(each(work, list(zip(files, targets, strict=True)), "converting masks"))
    names = classes_of(listed, [f"class {value}" for value in range(1, max(highest, 1) + 1)]).names
    if highest >= len(names):
        raise ValueError(
            f"the masks have values up to {highest}, but {listed} names {len(names) - 1} classes"
        )
    return finish(out, names, targets, [picture_for(path, source, images) for path in files])


def picture_for(path: Path, source: Path, images: Path | None) -> Path | None:
    """Where below `images` the picture of the mask `path` is expected."""
    return images / path.relative_to(source) if images else None


def indices(path: Path, one_hot: str) -> ndarray:
    """Class indices (H, W) of an array file; nothing in it is executed.

    Raises:
        ValueError: if it is no array, or of a shape or kind that no mask has.
    """
    try:
        found = np.load(path, allow_pickle=False)
        arrays = [found] if isinstance(found, ndarray) else list(found.values())
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path} holds no plain array ({error})") from None
    if len(arrays) != 1:
        raise ValueError(f"{path} holds {len(arrays)} arrays; save the mask alone")
    array = arrays[0]
    array = array[0] if array.ndim == 3 and array.shape[0] == 1 else array
    array = array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array
    if one_hot and array.ndim == 3:
        return array.argmax(AXES[one_hot])
    if array.ndim != 2:
        cure = "; if it has a layer per class, say --one_hot first or last" if array.ndim == 3 else ""
        raise ValueError(f"{path} has the shape {array.shape}, a mask has (H, W){cure}")
    return whole(array, path)


def stored(path: Path) -> ndarray:
    """Values (H, W) of a mask picture as they are stored: palette indices or grey values.

    Raises:
        ValueError: if it is coloured, lossy, or holds fractions.
    """
    with Image.open(path) as image:
        if image.mode in ("I", "F") or image.mode.startswith("I;16"):
            return whole(np.asarray(image), path)
    return read_index_mask(path).numpy().astype(np.int64)


def whole(array: ndarray, path: Path) -> ndarray:
    """`array` as int64.

    Raises:
        ValueError: if it holds fractions.
    """
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.round(array)).all()):
        raise ValueError(f"{path} holds fractions, a mask holds class indices")
    return array.astype(np.int64)


def mapped(labels: ndarray, values: Mapping[int, int], path: Path) -> ndarray:
    """`labels` with `values` exchanged, as uint8.

    Raises:
        ValueError: naming the value that does not fit into a byte.
    """
    out = labels.copy()
    for old, new in values.items():
        out[labels == old] = new
    wrong = np.unique(out[(out < 0) | (out > IGNORE)])
    if wrong.size:
        shown = ", ".join(map(str, wrong[:3]))
        raise ValueError(
            f"{path} has the value {shown} ({wrong.size} such values in all), and a mask of one byte holds 0 "
            f"to 254, and 255 for void: say what becomes of it by --map={wrong[0]}=NEW"
        )
    return out.astype(np.uint8)
