"""COCO's instance files as index masks, drawn by pycocotools.

Its rule: polygons are filled at five times the resolution and a pixel belongs to one if its centre does. Of
annotations that overlap, smaller ones lie over larger ones, and crowds below all.
"""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy import ndarray

from data.convert.classes import classes_of
from data.convert.writing import each, finish, refuse_twins, write_mask
from dataset.files import inside


def convert(
    source: Path, out: Path, listed: Path | None = None, rest: str = "", images: Path | None = None
) -> str:
    """A mask of every image that the file `source` lists, in the same folders below `out`; how to go on.

    Args:
        listed: file of class names; without it those of the file, by their ids.
        rest: what becomes of categories that are not listed. images: folder of the pictures, if known.

    Raises:
        FileNotFoundError, ValueError: naming what is wrong and where.
    """
    content = read(source)
    names = {one["id"]: str(one["name"]) for one in content["categories"]}
    classes = classes_of(listed, [names[id] for id in sorted(names)], rest)
    values = {id: classes.value(name, source) for id, name in names.items()}
    per_image: dict[object, list[dict]] = defaultdict(list)
    known = {image["id"] for image in content["images"]}
    for one in content["annotations"]:
        where = f"{source}, annotation {one.get('id')}"
        if one.get("category_id") not in values or one.get("image_id") not in known:
            raise ValueError(f"{where} is of a category or an image that the file does not list")
        per_image[one["image_id"]].append(one | {"where": where})
    targets = [inside(out, image["file_name"], source).with_suffix(".png") for image in content["images"]]
    refuse_twins(targets, [image["file_name"] for image in content["images"]])

    def draw(job: tuple[dict, Path]) -> Path | None:
        image, target = job
        size = (image["height"], image["width"])
        write_mask(rasterise(per_image[image["id"]], size, values), target)
        return images / image["file_name"] if images else None

    pictures = each(draw, list(zip(content["images"], targets, strict=True)), "drawing masks")
    return finish(out, classes.names, targets, pictures)


def read(path: Path) -> dict:
    """The content of a file of instances.

    Raises:
        FileNotFoundError, ValueError: if it is none.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no JSON file ({error})") from None
    lists = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in lists):
        raise ValueError(f"{path} lacks {', '.join(lists)}, so it is no COCO file of instances")
    if content["annotations"] and "segments_info" in content["annotations"][0]:
        raise ValueError(
            f"{path} is of the panoptic kind: its PNGs hold the ids, and training reads them itself"
        )
    return content


def rasterise(annotations: list[dict], size: tuple[int, int], values: dict[int, int]) -> ndarray:
    """Labels uint8 (H, W) of an image of `size` (H, W).

    Raises:
        ValueError: naming an annotation without a usable segmentation.
    """
    labels = np.zeros(size, np.uint8)
    regions = [(region(one, size), one) for one in annotations]
    for mask, one in sorted(regions, key=lambda pair: (not pair[1].get("iscrowd"), -int(pair[0].sum()))):
        labels[mask] = values[one["category_id"]]
    return labels


def region(annotation: dict, size: tuple[int, int]) -> ndarray:
    """The pixels of one annotation, bool (H, W): from polygons or run lengths, compressed or not.

    Raises:
        ValueError: if it has none.
    """
    from pycocotools import mask as coco  # only this conversion needs it

    given, where = annotation.get("segmentation"), annotation["where"]
    if isinstance(given, dict) and list(size) != list(given.get("size", ())):
        raise ValueError(f"{where} has run lengths of {given.get('size')}, but its image is {list(size)}")
    polygons = isinstance(given, list) and given and all(
        isinstance(one, list) and len(one) >= 6 and len(one) % 2 == 0 for one in given
    )  # fmt: skip
    if not polygons and not isinstance(given, dict):
        raise ValueError(f"{where} has no segmentation, but a box at most: there are no pixels to learn from")
    try:
        if polygons or isinstance(given["counts"], list):
            given = coco.frPyObjects(given, *size)
        given = coco.merge(given) if isinstance(given, list) else given
        return coco.decode(given).astype(bool)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{where} has a segmentation that pycocotools cannot read ({error})") from None
