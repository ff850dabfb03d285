"""What single queries see: photo, result, and the masks of the strongest queries of runs on --head mask.

    python -m analysis.queries checkpoints/shapes_4-1_overlap/CoMFormer_tiny_mask

writes queries.png into --out: a row per run and image, after its last step. A query is as strong as the
pixels are many that it wins and covers; its mask is shown bright, under the name of its class.
"""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from analysis.commands import Parser, at_least, main
from analysis.evenly import evenly
from analysis.overlays import heading, spotlight, write_names
from analysis.runs import find_runs
from analysis.trained import Trained
from modules.mask_head import MaskOutput
from utils.labels import BACKGROUND, IGNORE
from utils.masks.full_size import contest, knowing
from utils.pictures.segmentations import PAPER, colour, save, sheet, tile, to_dataset_labels

CAPTION = "What the strongest queries see after the last step; dark is outside of the mask"


def work(options: Namespace) -> None:
    """Ask the last step of every run, and draw the picture."""
    runs = find_runs(
        options.runs, data_root=options.data_root, cache_dir=options.cache_dir, dataset=options.dataset
    )
    rows = []
    for run in runs:
        trained = run.last()
        if trained.method.net.head.answers != "masks":
            raise ValueError(f"{run.name} has no queries: it answers per pixel; leave it out")
        images = trained.data.test
        for index in evenly(len(images), options.num_images):
            name, image = images.ids[index], images[index][0]
            cells = row_of(trained, image, count=options.queries, side=options.side)
            rows.append([heading(run.name, name, height=cells[0].height), *cells])
    ranks = [f"query {rank}" for rank in range(1, options.queries + 1)]
    picture = sheet(rows, ["", "image", "result", *ranks], [], caption=CAPTION)
    save(picture, Path(options.out) / "queries.png")
    print(Path(options.out) / "queries.png")


def row_of(trained: Trained, image: Tensor, *, count: int, side: int) -> list[Image.Image]:
    """Tiles of an image uint8 (3, H, W): itself, the result, the masks of its `count` strongest queries."""
    pixels, step = image.permute(1, 2, 0).numpy(), trained.step
    predicted = to_dataset_labels(trained.predict(image[None])[0][0].numpy(), step.order)
    cells = [tile(pixels, side, smooth=True), tile(colour(predicted, trained.palette), side)]
    named = dict(enumerate(trained.drawn_names))
    for label, mask in strongest(trained.forward(image[None]), count):
        cells.append(tile(spotlight(pixels, np.where(mask, 1, BACKGROUND)), side))
        write_names(cells[-1], np.where(mask, label, IGNORE), {label: named[label]})
    blank = Image.new("RGB", cells[0].size, PAPER)
    return cells + [blank] * (count + 2 - len(cells))


def strongest(out: MaskOutput, count: int) -> list[tuple[int, np.ndarray]]:
    """Class and mask (H, W) of the queries that win and cover most pixels of one image, at most `count`."""
    classes, scores = knowing(out.probabilities(out.class_logits[-1]))
    found = contest(scores, out.masks[-1], out.size, softmask=out.softmask)
    queries = found.own[0].argsort(descending=True)[:count]
    queries = queries[found.own[0][queries] > 0]
    masks = found.masks(0, queries).cpu().numpy()
    return [(int(classes[0, query]) + out.first, mask) for query, mask in zip(queries, masks, strict=True)]


def parser() -> Parser:
    """The command line."""
    made = Parser("queries", "Photo, result, and the masks of the strongest queries.")
    made.add_run_flags("pictures", "the picture")
    made.add_argument("--num_images", type=at_least(1), default=3, help="test images per run, evenly chosen")
    made.add_argument("--queries", type=at_least(1), default=5, help="of each image")
    made.add_argument("--side", type=at_least(32), default=128, help="longer side of a tile, pixels")
    return made


def cli(argv: Sequence[str] | None = None) -> int:
    """The program; returns the exit status."""
    return main(parser(), work, argv)


if __name__ == "__main__":
    sys.exit(cli())
