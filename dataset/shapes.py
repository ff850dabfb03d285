"""Shapes: a small generated data set, so that every command runs without a download.

Each class has its own shape, texture and mean hue; the hues of single objects vary so much that colour alone
does not tell classes apart. An image shows one to three objects, later ones over earlier ones, on a textured
noise background, and is a pure function of (seed, split, index). A second data set with other shapes,
textures and hues serves to pre-train a backbone that has seen no class of the first.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from dataset.base import Sample, SegmentationDataset
from utils.labels import IGNORE

Field = Callable[[ndarray, ndarray], ndarray]  # a function of the plane; u and v are 1 at the object's radius

HUE_JITTER = 28.0  # degrees, standard deviation; the mean hues of 6 classes are 60 degrees apart
RADIUS = (0.14, 0.26)  # of an object, as a fraction of the image side
MAX_OBJECTS = 3
NOISE = 30.0  # full width of the uniform noise on every value
SPLITS = ("train", "val")


@dataclass(frozen=True)
class Kind:
    """How the objects of one class look.

    Attributes:
        name: of the class. inside: which points belong to an object. texture: its brightness in [-1, 1].
        hue: mean hue in degrees.
    """

    name: str
    inside: Field
    texture: Field
    hue: float


# -- shapes and textures, in the coordinates of the object ---------------------------------------------------
def box(width: float, height: float, u0: float = 0.0, v0: float = 0.0) -> Field:
    """A rectangle of half-widths `width` and `height` around (u0, v0)."""
    return lambda u, v: (np.abs(u - u0) <= width) & (np.abs(v - v0) <= height)


def disc(radius: float = 1.0, u0: float = 0.0, v0: float = 0.0, *, squeeze: float = 1.0) -> Field:
    """An ellipse around (u0, v0) whose half axis along v is `squeeze` times that along u."""
    return lambda u, v: (u - u0) ** 2 + ((v - v0) / squeeze) ** 2 <= radius**2


def polygon(sides: int, inner: float) -> Field:
    """A regular polygon whose sides lie `inner` from its centre."""
    angles = 2 * np.pi * np.arange(sides) / sides
    return lambda u, v: np.max([u * np.cos(a) + v * np.sin(a) for a in angles], axis=0) <= inner


def star(points: int, inner: float) -> Field:
    """A star whose corners lie at 1 and whose notches lie at `inner` from its centre."""

    def inside(u: ndarray, v: ndarray) -> ndarray:
        corner = 2 * np.abs((np.arctan2(v, u) * points / (2 * np.pi)) % 1 - 0.5)  # 1 at corners, 0 at notches
        return np.hypot(u, v) * (corner + (1 - corner) / inner) <= 1

    return inside


def either(*parts: Field) -> Field:
    """Points in any of `parts`."""
    return lambda u, v: np.logical_or.reduce([part(u, v) for part in parts])


def both(*parts: Field) -> Field:
    """Points in all of `parts`."""
    return lambda u, v: np.logical_and.reduce([part(u, v) for part in parts])


def without(whole: Field, hole: Field) -> Field:
    """Points of `whole` that are not in `hole`."""
    return lambda u, v: whole(u, v) & ~hole(u, v)


def wave(cycles: float, angle: float = 0.0, *, sharp: bool = False) -> Field:
    """Stripes, `cycles` of them per radius, across direction `angle` (degrees); soft or with sharp edges."""
    cos, sin = 2 * np.pi * cycles * np.cos(np.radians(angle)), 2 * np.pi * cycles * np.sin(np.radians(angle))
    soft: Field = lambda u, v: np.sin(cos * u + sin * v)  # noqa: E731
    return (lambda u, v: np.sign(soft(u, v))) if sharp else soft


def product(one: Field, other: Field) -> Field:
    """Both textures multiplied, e.g. two waves into a checker board."""
    return lambda u, v: one(u, v) * other(u, v)


def around(texture: Field) -> Field:
    """`texture` in polar coordinates: u is the distance from the centre, v the angle (1 = half a turn)."""
    return lambda u, v: texture(np.hypot(u, v), np.arctan2(v, u) / np.pi)


KINDS = (
    Kind("disc", disc(), wave(1.6, sharp=True), 0),
    Kind("square", polygon(4, 0.8), product(wave(1.1, sharp=True), wave(1.1, 90, sharp=True)), 60),
    Kind("triangle", polygon(3, 0.6), around(wave(2.0)), 120),
    Kind("ring", without(disc(), disc(0.5)), around(wave(2.0, 90, sharp=True)), 180),
    Kind("plus", either(box(1.0, 0.32), box(0.32, 1.0)), wave(0.4, 45), 240),
    Kind("star", star(5, 0.42), product(wave(1.5), wave(1.5, 60)), 300),
)
OTHER_KINDS = (
    Kind("ellipse", disc(squeeze=0.45), wave(1.0, 30), 15),
    Kind("crescent", without(disc(), disc(0.8, 0.45)), wave(2.5, 90), 45),
    Kind("half disc", both(disc(u0=-0.5), box(1.0, 1.0, 0.5)), product(wave(0.7), wave(2.0, 90)), 75),
    Kind("bar", box(1.0, 0.25), wave(1.2, sharp=True), 105),
    Kind("angle", either(box(0.25, 0.9, -0.6), box(0.85, 0.25, 0, 0.65)), around(wave(1.0, 70)), 135),
    Kind("tee", either(box(0.9, 0.25, 0, 0.65), box(0.25, 0.9)), around(wave(3.0, 90, sharp=True)), 165),
    Kind("bow tie", both(box(0.85, 1.0), lambda u, v: np.abs(v) <= 0.9 * np.abs(u)), around(wave(1.2)), 195),
    Kind("frame", without(box(0.8, 0.8), box(0.45, 0.45)), product(wave(0.9, 20), wave(0.9, 110)), 225),
    Kind("gear", star(9, 0.75), around(product(wave(1.5), wave(3.0, 90))), 255),
    Kind("arch", without(either(disc(0.9), box(0.9, 0.4, 0, 0.4)), box(0.45, 0.9, 0, 0.4)), wave(2, 45), 285),
    Kind(
        "aitch", either(box(0.22, 0.9, -0.6), box(0.22, 0.9, 0.6), box(0.6, 0.22)), around(wave(0.6, 20)), 315
    ),
    Kind("pair", either(disc(0.5, -0.5), disc(0.5, 0.5)), product(wave(2.2, sharp=True), wave(0.6, 90)), 345),
)


# -- images --------------------------------------------------------------------------------------------------
def draw(kinds: tuple[Kind, ...], size: int, rng: np.random.RandomState) -> tuple[ndarray, ndarray]:
    """An image uint8 (3, size, size) and its labels uint8 (size, size): 1 + index of the kind, 0, or 255."""
    image, labels = background(size, rng), np.zeros((size, size), np.uint8)
    for _ in range(rng.randint(1, MAX_OBJECTS + 1)):
        label = rng.randint(len(kinds))
        add_object(image, labels, kinds[label], label + 1, rng)
    image += NOISE * (rng.random_sample(image.shape).astype(np.float32) - 0.5)
    return np.clip(image, 0, 255).astype(np.uint8), with_borders(labels)


def background(size: int, rng: np.random.RandomState) -> ndarray:
    """Smooth patches of dull colours under a faint grating, float32 (3, size, size)."""
    coarse = rng.uniform(60, 190, (3, 6, 6)).astype(np.float32)
    at = np.linspace(0, 5, size, dtype=np.float32)
    weights = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(6, dtype=np.float32)))  # (size, 6), bilinear
    angle, cycles, phase = rng.uniform(0, np.pi), rng.uniform(3, 12), rng.uniform(0, 2 * np.pi)
    x = 2 * np.pi * cycles * np.linspace(0, 1, size, dtype=np.float32)
    grating = rng.uniform(0, 25) * np.sin(np.cos(angle) * x + np.sin(angle) * x[:, None] + phase)
    return weights @ coarse @ weights.T + grating.astype(np.float32)


def add_object(image: ndarray, labels: ndarray, kind: Kind, label: int, rng: np.random.RandomState) -> None:
    """Draw one object of `kind` over what is there, in place."""
    size = labels.shape[0]
    radius, angle = size * rng.uniform(*RADIUS), rng.uniform(0, 2 * np.pi)
    x0, y0 = rng.uniform(0.5 * radius, size - 0.5 * radius, 2)  # a part may lie outside the image
    reach = 1.2 * radius  # no shape extends beyond
    rows = slice(max(0, int(y0 - reach)), int(y0 + reach) + 1)
    columns = slice(max(0, int(x0 - reach)), int(x0 + reach) + 1)
    y, x = np.mgrid[rows, columns][:, : size - rows.start, : size - columns.start] + 0.5
    x, y = (x - x0) / radius, (y - y0) / radius
    u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    inside = kind.inside(u, v)

    phase = rng.uniform(-0.3, 0.3)
    texture = kind.texture(u[inside] + phase, v[inside] + phase)  # (pixels,)
    tone = rng.uniform(0.6, 1.0) * (0.75 + 0.25 * texture)
    colour = rgb(rng.normal(kind.hue, HUE_JITTER), rng.uniform(0.45, 0.9))
    image[:, rows, columns][:, inside] = colour[:, None] * tone
    labels[rows, columns][inside] = label


def rgb(hue: float, saturation: float) -> ndarray:
    """The brightest colour of `hue` (degrees) and `saturation`, (3,) in 0..255."""
    full = np.clip(np.abs((hue / 60 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    return 255 * (1 - saturation + saturation * full)


def with_borders(labels: ndarray) -> ndarray:
    """`labels` (H, W) with a line of IGNORE, one pixel wide, wherever two labels meet."""
    edges = np.zeros(labels.shape, bool)
    edges[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    edges[:-1] |= labels[:-1] != labels[1:]
    return np.where(edges, np.uint8(IGNORE), labels)


class Shapes(SegmentationDataset):
    """Generated images of six classes of objects: 1,200 to train on and 200 to test on, 64 pixels wide.

    Args:
        root: not used, nothing is stored.
        size: side of the images, in pixels. num_train, num_val: images per split. seed: of all images.
    """

    name = "shapes"
    kinds = KINDS

    def __init__(
        self,
        root: Path | str = "",
        *,
        size: int = 64,
        seed: int = 0,
        num_train: int = 1200,
        num_val: int = 200,
    ):
        super().__init__(root)
        self.size, self.seed = size, seed
        self.counts = dict(zip(SPLITS, (num_train, num_val), strict=True))
        self.class_names = ("background", *(kind.name for kind in self.kinds))
        self._drawn: dict[str, tuple[Tensor, Tensor]] = {}  # 16 kB per image; later epochs read it

    def samples(self, split: str) -> list[Sample]:
        if split not in self.counts:
            raise ValueError(f"dataset {self.name} has no split {split!r}; known: {', '.join(SPLITS)}")
        return [Sample(f"{split}/{index:06d}") for index in range(self.counts[split])]

    def read(self, sample: Sample) -> tuple[Tensor, Tensor]:
        if sample.id not in self._drawn:
            split, index = sample.id.split("/")
            entropy = (self.seed, len(self.kinds), SPLITS.index(split), int(index))
            # RandomState, because numpy guarantees the same stream in every version.
            rng = np.random.RandomState(np.random.PCG64(np.random.SeedSequence(entropy)))
            image, labels = draw(self.kinds, self.size, rng)
            self._drawn[sample.id] = torch.from_numpy(image), torch.from_numpy(labels)
        image, labels = self._drawn[sample.id]
        return image.clone(), labels.clone()

    def read_mask(self, sample: Sample) -> Tensor:
        return self.read(sample)[1]

    @cached_property
    def palette(self) -> ndarray:
        palette = super().palette.copy()
        palette[1 : 1 + len(self.kinds)] = [rgb(kind.hue, 0.8) for kind in self.kinds]
        return palette

    def fingerprint(self, split: str) -> str:
        looks = (super().fingerprint(split), self.size, self.seed, RADIUS, MAX_OBJECTS)
        return hashlib.sha256(repr(looks).encode()).hexdigest()


class OtherShapes(Shapes):
    """Twelve classes that share no shape, texture or mean hue with `Shapes`: what the demo pre-trains on."""

    name = "other-shapes"
    kinds = OTHER_KINDS
