"""labelme's JSON files, one beside each picture, as index masks.

The fields are those that labelme documents: `shapes` (label, points, shape_type, mask), `imagePath`,
`imageHeight`, `imageWidth`, `imageData`. Shapes are drawn with Pillow, boundary pixels included, lines 10
pixels wide and points of radius 5, and later shapes lie over earlier ones: labelme's own rules.
"""

import base64
import io
import json
import math
from pathlib import Path, PureWindowsPath

import numpy as np
from numpy import ndarray
from PIL import Image, ImageDraw
from PIL.ExifTags import Base

from data.convert.classes import Classes, classes_of
from data.convert.writing import each, finish, refuse_twins, target_of, write_mask
from utils.files import files_below

LINE_WIDTH, POINT_RADIUS = 10, 5  # pixels, as labelme draws them
CORNERS = {"rectangle": 2, "circle": 2, "line": 2, "point": 1}  # shapes with a fixed number of points


def convert(source: Path, out: Path, listed: Path | None = None, rest: str = "") -> str:
    """Masks of every JSON file below `source`, in the same folders below `out`; how to go on.

    Args:
        listed: file of class names; without it they are the labels that occur, by the alphabet.
        rest: what becomes of labels that are not listed, see `Classes`.

    Raises:
        FileNotFoundError, ValueError: naming file and shape, and what is wrong.
    """
    files = files_below(source, [".json"])
    contents = each(read, files, "reading labelme's files")
    found = sorted({shape["label"] for content in contents for shape in content["shapes"]})
    classes = classes_of(listed, found, rest)
    named = [path.with_stem(stem_of(path, content)) for path, content in zip(files, contents, strict=True)]
    targets = [target_of(path, source, out) for path in named]
    refuse_twins(targets, files)

    def draw(job: tuple[Path, dict, Path]) -> Path | None:
        path, content, target = job
        picture = picture_of(path, content)
        labels = rasterise(content["shapes"], size_of(path, content, picture), classes, path)
        write_mask(labels, target)
        return picture

    pictures = each(draw, list(zip(files, contents, targets, strict=True)), "drawing masks")
    return finish(out, classes.names, targets, pictures)


def read(path: Path) -> dict:
    """The content of one of labelme's files; the picture in it is kept only if nothing else has its size.

    Raises:
        ValueError: if it is no such file.
    """
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no JSON file ({error})") from None
    if isinstance(content, dict) and "annotations" in content:
        raise ValueError(f"{path} looks like COCO's format: python -m data.convert coco {path}")
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list):
        raise ValueError(f"{path} has no list of shapes, so it is not labelme's")
    for number, shape in enumerate(shapes):
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
            raise ValueError(f"{path}: shape {number} has no label")
    if content.get("imageHeight") and content.get("imageWidth"):
        content.pop("imageData", None)  # megabytes of base64
    return content


def stem_of(path: Path, content: dict) -> str:
    """Name of the picture, after which its mask is called; that of the file where it does not say."""
    return PureWindowsPath(content.get("imagePath") or path).stem


def picture_of(path: Path, content: dict) -> Path | None:
    """The picture that the file at `path` belongs to, if it is there; Windows' separators are understood."""
    name = content.get("imagePath")
    found = path.parent / PureWindowsPath(name).as_posix() if isinstance(name, str) and name else None
    return found if found and found.is_file() else None


def size_of(path: Path, content: dict, picture: Path | None) -> tuple[int, int]:
    """Width and height of the picture.

    Raises:
        ValueError: if nothing says them, or the picture has another size than the file says.
    """
    said = content.get("imageWidth"), content.get("imageHeight")
    known = all(type(side) is int and side > 0 for side in said)
    own = None
    if picture:
        with Image.open(picture) as image:
            turned = image.getexif().get(Base.Orientation, 1) in (
                5,
                6,
                7,
                8,
            )  # as labelme and training see it
            own = image.size[::-1] if turned else image.size
    elif not known and content.get("imageData"):
        with Image.open(io.BytesIO(base64.b64decode(content["imageData"]))) as image:
            own = image.size
    if own is None and not known:
        raise ValueError(f"{path} has no imageHeight and imageWidth, and its picture is not there")
    if own and known and own != said:
        raise ValueError(
            f"{path} is for a picture of {said[0]}x{said[1]}, but {picture} is {own[0]}x{own[1]}"
        )
    return own or said


def rasterise(shapes: list[dict], size: tuple[int, int], classes: Classes, path: Path) -> ndarray:
    """Labels uint8 (H, W) of a picture of `size` (width, height).

    Raises:
        ValueError: naming the shape that cannot be drawn.
    """
    canvas = Image.new("L", size, 0)
    draw = ImageDraw.Draw(canvas)
    for number, shape in enumerate(shapes):
        where = f"{path}, shape {number}"
        value = classes.value(shape["label"], where)
        kind = shape.get("shape_type") or "polygon"
        points = corners(shape, where)
        if len(points) != CORNERS.get(kind, len(points)):
            raise ValueError(f"{where} is a {kind} of {len(points)} points, not {CORNERS[kind]}")
        if kind == "mask":
            stamp = Image.open(io.BytesIO(base64.b64decode(shape["mask"])))
            canvas.paste(value, tuple(map(int, points[0])), stamp.convert("1"))
        else:
            draw_shape(draw, kind, points, value, where)
    return np.array(canvas)


def corners(shape: dict, where: str) -> list[tuple[float, float]]:
    """The points of a shape.

    Raises:
        ValueError: if they are no pairs of numbers.
    """
    points = shape.get("points")
    pairs = isinstance(points, list) and points and all(
        isinstance(point, list) and len(point) == 2 and all(type(one) in (int, float) for one in point)
        and all(map(math.isfinite, point)) for point in points
    )  # fmt: skip
    if not pairs:
        raise ValueError(f"{where} has no points [x, y]")
    return [tuple(point) for point in points]


def draw_shape(draw: ImageDraw.ImageDraw, kind: str, points: list, value: int, where: str) -> None:
    """Fill one shape with `value`.

    Raises:
        ValueError: for a polygon of fewer than three points, or a kind that labelme does not have.
    """
    paint = {"fill": value, "outline": value}
    if kind == "polygon":
        if len(points) < 3:
            raise ValueError(f"{where} is a polygon of {len(points)} points")
        draw.polygon(points, **paint)
    elif kind == "rectangle":
        (left, right), (top, bottom) = (sorted(values) for values in zip(*points, strict=True))
        draw.rectangle((left, top, right, bottom), **paint)
    elif kind == "circle":
        dot(draw, points[0], math.dist(*points), paint)
    elif kind in ("line", "linestrip"):
        draw.line(points, fill=value, width=LINE_WIDTH)
    elif kind in ("point", "points"):
        for point in points:
            dot(draw, point, POINT_RADIUS, paint)
    else:
        raise ValueError(f"{where} is a {kind}, which labelme does not have")


def dot(draw: ImageDraw.ImageDraw, centre: tuple[float, float], radius: float, paint: dict) -> None:
    """A filled circle."""
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), **paint)
