"""A generated data set of folders of pictures, one texture per class: for `--dataset image_folders`.

python -m data.textures DIR
python run.py --dataset image_folders --data_root DIR --head pooled --task 2-2
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy import ndarray
from PIL import Image

from dataset.image_folders import SPLITS
from dataset.shapes import NOISE, Field, around, product, rgb, wave

TEXTURES: dict[str, Field] = {
    "checks": product(wave(1.5, sharp=True), wave(1.5, 90, sharp=True)),
    "plain": lambda u, v: np.zeros_like(u),
    "rays": around(wave(3.0, 90)),
    "rings": around(wave(2.0)),
    "spirals": around(wave(2.83, 45)),  # no seam: 4 cycles per turn
    "stripes": wave(1.5),
}
SIDES = (48, 65)  # least side of a picture, and one more than the largest


def draw(texture: Field, rng: np.random.Generator) -> ndarray:
    """A picture uint8 (H, W, 3) of `texture` at a random place, angle, scale and colour, with noise."""
    height, width = rng.integers(*SIDES, 2)
    y, x = np.mgrid[:height, :width] / 32 - rng.uniform(0.6, 1.0, (2, 1, 1))
    angle, scale = rng.uniform(0, 2 * np.pi), rng.uniform(0.8, 1.25)
    u, v = scale * (np.cos(angle) * x + np.sin(angle) * y), scale * (np.cos(angle) * y - np.sin(angle) * x)
    colour = rgb(rng.uniform(0, 360), rng.uniform(0.2, 0.8))
    tone = 0.65 + 0.35 * texture(u, v)  # (H, W)
    noise = rng.uniform(-NOISE / 2, NOISE / 2, (height, width, 3))
    return (tone[..., None] * colour + noise).clip(0, 255).astype(np.uint8)


def write(root: Path, *, num_train: int = 100, num_val: int = 25, seed: int = 0) -> None:
    """Folders train/<class> and val/<class> of PNG files below `root`: so many of each class."""
    for split, number in zip(SPLITS, (num_train, num_val), strict=True):
        for label, (name, texture) in enumerate(TEXTURES.items()):
            folder = root / split / name
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(number):
                rng = np.random.default_rng((seed, SPLITS.index(split), label, index))
                Image.fromarray(draw(texture, rng)).save(folder / f"{index:04d}.png")


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or 2 if the folder cannot be written."""
    parser = argparse.ArgumentParser(
        prog="python -m data.textures", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("root", metavar="DIR", type=Path, help="folder to write train/ and val/ into")
    options = parser.parse_args(arguments)
    try:
        write(options.root.expanduser())
    except OSError as error:
        print(f"data.textures: error: {error}", file=sys.stderr)
        return 2
    print(f"{options.root}: {len(TEXTURES)} classes of 100 + 25 pictures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
