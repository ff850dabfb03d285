"""Image, ground truth and the predictions of every run after every step, side by side, as in papers.

    python -m analysis.visualize checkpoints/shapes_4-1_overlap/*            # all steps of all runs
    python -m analysis.visualize FT/step_0.pt FT/step_2.pt DFT_STAR/step_2.pt --images val/000012 photo.jpg

writes predictions.png, errors.png (which pixels are wrong, and how) and uncertainty.png into --out. Without
--images it shows the test images on which the steps disagree most.
"""

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy import ndarray
from PIL import Image
from torch import Tensor

from analysis.choose import choose
from analysis.commands import Parser, at_least, main
from analysis.layout import Picture, arrange, distinct
from analysis.overlays import (
    error_legend,
    errors,
    spotlight,
    uncertainty,
    uncertainty_legend,
    write_names,
)
from analysis.runs import find_runs, some_steps
from analysis.trained import Trained
from dataset.images import StepImages, apply_table
from utils.decoding.decode import read_photo
from utils.labels import BACKGROUND, IGNORE
from utils.pictures.segmentations import colour, save, sheet, tile, to_dataset_labels

CAPTIONS = {
    "predictions": "What each network sees after every step",
    "errors": "What each network gets wrong after every step; a class not learned yet counts as background",
    "uncertainty": "How unsure each network is after every step: 1 - largest softmax probability",
}


@dataclass
class Shown:
    """One image: pixels uint8 (3, H, W), dataset labels (H, W) or None for a photo, and the predictions.

    `answers[run, step]` = predicted model indices, uncertainty, and the ground truth of that step, (H, W)
    each.
    """

    name: str
    image: Tensor
    labels: ndarray | None
    answers: dict[tuple[str, int], tuple[ndarray, ndarray, ndarray]] = field(default_factory=dict)

    @property
    def pixels(self) -> ndarray:
        """RGB uint8 (H, W, 3)."""
        return self.image.permute(1, 2, 0).numpy()


def work(options: Namespace) -> None:
    """Choose images, predict them with every network, draw the three figures."""
    found = find_runs(
        options.runs, data_root=options.data_root, cache_dir=options.cache_dir, dataset=options.dataset
    )
    runs = some_steps(found, options.num_steps)
    if runs != found:
        print(f"{options.num_steps} of the steps, evenly chosen; --num_steps 0 shows all")
    trained = next(runs[0].steps())
    images = trained.data.of(trained.step.num_steps - 1).test  # labelled with all classes
    if not options.images:
        rows = choose(runs, images, options.num_images, candidates=options.candidates)
        options.images = [images.ids[row] for row in rows]
    shown = [find(name, images, trained) for name in options.images]
    for run in runs:
        for one in run.steps():
            ask(one, run.name, shown)
    out = Path(options.out)
    for name, picture in draw(shown, trained, side=options.side).items():
        save(picture, out / f"{name}.png")
        print(out / f"{name}.png")


def find(name: str, images: StepImages, trained: Trained) -> Shown:
    """The test image with the id `name`, or the image file of that name.

    Raises:
        ValueError: if there is neither.
    """
    if name in images.ids:
        index = images.ids.index(name)
        image, indices = images[index]
        return Shown(name, image, everywhere(to_dataset_labels(indices.numpy(), trained.step.order), image))
    if Path(name).is_file():
        return Shown(Path(name).stem, trained.view(read_photo(name, trained.dataset.pictures)), None)
    raise ValueError(
        f"--images {name}: neither a picture file nor the id of a test image, such as {images.ids[0]}"
    )


def ask(trained: Trained, run: str, shown: Sequence[Shown]) -> None:
    """Store the network's prediction of every image, and the ground truth of its step."""
    table = trained.data.table("test")
    for one in shown:
        predicted, unsure = (
            everywhere(values[0].numpy(), one.image) for values in trained.predict(one.image[None])
        )
        labels = np.full(predicted.shape, IGNORE, np.uint8) if one.labels is None else one.labels
        right = apply_table(table, torch.from_numpy(labels)).numpy()
        one.answers[run, trained.step.index] = predicted, unsure, right


def everywhere(values: ndarray, image: Tensor) -> ndarray:  # (H, W), (3, H, W)
    """`values` for drawing: one for the whole image (1, 1) stands at each of its pixels."""
    return np.broadcast_to(values, image.shape[1:]).copy()


# -- drawing ---------------------------------------------------------------------------------------
def draw(shown: Sequence[Shown], trained: Trained, *, side: int) -> dict[str, ndarray]:
    """The three figures by name; without errors if no image has a ground truth."""
    palette, step, has_background = trained.dataset.palette, trained.step, trained.dataset.has_background
    skip = {BACKGROUND} if has_background else set()
    names = {
        label: name for label, name in zip(step.order, trained.drawn_names, strict=True) if label not in skip
    }

    def named(one: Shown, predicted: ndarray, *_) -> Image.Image:
        return named_tile(colour(to_dataset_labels(predicted, step.order), palette), predicted)

    def wrong(one: Shown, predicted: ndarray, unsure: ndarray, right: ndarray) -> Image.Image:
        return named_tile(errors(one.pixels, right, predicted, has_background=has_background), predicted)

    def doubt(one: Shown, predicted: ndarray, unsure: ndarray, right: ndarray) -> Image.Image:
        return tile(uncertainty(unsure), side)

    def named_tile(pixels: ndarray, predicted: ndarray) -> Image.Image:
        made = tile(pixels, side)
        write_names(made, to_dataset_labels(predicted, step.order), names)
        return made

    def truth(one: Shown, cell) -> Image.Image | None:
        if one.labels is None:
            return None
        plain = spotlight(one.pixels, one.labels, has_background=has_background)
        made = tile(colour(one.labels, palette) if cell is named else plain, side)
        write_names(made, one.labels, names)
        return made

    def grid(some: Sequence[Shown], cell, entries, caption: str) -> ndarray:
        pictures = [
            Picture(one.name, tile(one.pixels, side, smooth=True), truth(one, cell),
                    lambda key, one=one: cell(one, *one.answers[key]))
            for one in some
        ]  # fmt: skip
        networks = distinct([one.answers for one in shown])
        rows, titles, ruled = arrange(pictures, networks, step_names(shown, trained))
        return sheet(rows, titles, entries, caption=caption, ruled=ruled)

    pictures = {"predictions": grid(shown, named, class_legend(shown, trained), CAPTIONS["predictions"])}
    with_truth = [one for one in shown if one.labels is not None]
    if with_truth:
        pictures["errors"] = grid(with_truth, wrong, error_legend(), CAPTIONS["errors"])
    pictures["uncertainty"] = grid(shown, doubt, uncertainty_legend(), CAPTIONS["uncertainty"])
    return pictures


def step_names(shown: Sequence[Shown], trained: Trained) -> dict[int, str]:
    """What to call each step that any run has; one that teaches one class names it."""
    heads, names = {}, dict(zip(trained.step.order, trained.drawn_names, strict=True))
    for index in sorted({index for _, index in shown[0].answers}):
        step = trained.step.at(index)
        new = f" (+ {names[step.new[0]]})" if step.num_new == 1 and step.grows else ""
        heads[index] = f"after step {index}{new}"
    return heads


def class_legend(shown: Sequence[Shown], trained: Trained) -> list[tuple[str, tuple[int, int, int]]]:
    """Classes that occur, in learning order, with the step that taught them; then void."""
    step, names = trained.step, trained.drawn_names
    seen = {int(label) for one in shown if one.labels is not None for label in np.unique(one.labels)}
    for one in shown:
        for predicted, *_ in one.answers.values():
            seen |= {step.order[index] for index in np.unique(predicted)}
    taught = [index for index, size in enumerate(step.all_sizes) for _ in range(size)]
    entries = []
    for name, label, index in zip(names, step.order, taught, strict=True):
        if label in seen:
            note = f" (step {index})" if index else ""
            entries.append((name + note, tuple(int(value) for value in trained.dataset.palette[label])))
    if IGNORE in seen:
        entries.append(("void", tuple(int(value) for value in trained.dataset.palette[IGNORE])))
    return entries


def parser() -> Parser:
    """The command line."""
    made = Parser("visualize", "Image, truth and what every run says after every step, side by side.")
    made.add_run_flags("pictures", "the pictures")
    made.add_argument("--images", nargs="+", default=[], help="ids of test images, or picture files")
    made.add_argument(
        "--num_images", type=at_least(1), default=3, help="without --images: how many to choose"
    )
    made.add_argument("--candidates", type=at_least(1), default=200, help="... from this many test images")
    made.add_argument("--num_steps", type=at_least(0), default=8,
                      help="how many steps to show of longer runs, evenly chosen; 0: all")  # fmt: skip
    made.add_argument("--side", type=at_least(32), default=160, help="longer side of a tile, pixels")
    return made


def cli(argv: Sequence[str] | None = None) -> int:
    """The program; returns the exit status."""
    return main(parser(), work, argv)


if __name__ == "__main__":
    sys.exit(cli())
