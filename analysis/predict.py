"""What a trained network sees in plain photos: mask, overlay, and how much of each photo every class covers.

    python -m analysis.predict checkpoints/voc_15-5s_overlap/MiB_resnet101/step_5.pt photo.jpg
    python -m analysis.predict step_5.pt folder --out predictions    # all photos in it and below

writes photo_mask.png, photo_overlay.png and photo_shares.csv into --out. The checkpoint is all it needs: it
knows names, colours and values of its classes. Masks hold the values of the masks it was trained from, and
are of their kind: with their palette, grey (16 bits above 255), or in their colours.

Photos are seen whole, resized to the scale of training and never cropped; one longer than three crops is seen
in parts. --tile 1024 instead cuts a photo into overlapping parts of 1024 pixels and sees each like a photo of
its own: for photos from which training had tiles of that size. Memory: 15 bytes per pixel of the largest
photo, and what the network takes for one part of at most 1 x 3 crops, whatever the photo's size.

Photos whose files are all there are skipped: the same command continues where it was stopped. One that cannot
be read does not stop the others; they are counted at the end.
"""

import argparse
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy import ndarray
from PIL import Image

from analysis.commands import Parser, at_least, main, percent, progress, text_table, write_csv
from analysis.masks import mask_picture, save_mask
from analysis.overlays import blend, write_names
from analysis.photos import Photo, claim, find_photos
from analysis.runs import last_step
from analysis.trained import Trained, load_step
from analysis.windows import Seen, look
from utils.decoding.decode import read_photo
from utils.labels import BACKGROUND
from utils.pictures.fonts import legible
from utils.pictures.segmentations import save, sheet, tile, to_dataset_labels

SIDE = 480  # longer side of photo and overlay in the picture, pixels
ANY = sys.maxsize  # pixels: `check_size` has looked
FEW = 10  # photos whose tables are printed, too


def work(options: Namespace) -> None:
    """All photos, one after another."""
    out, overlays = Path(options.out), not options.no_overlays
    photos = find_photos(options.photos, out)
    places = {"dataset": options.dataset, "data_root": options.data_root}
    trained = load_step(last_step(Path(options.checkpoint)), **places, data=False)
    by = {"checkpoint": trained.path.name, "checksum": trained.checksum, "tile": options.tile}
    claim(out, by, overwrite=options.overwrite)
    left = [photo for photo in photos if options.overwrite or not photo.done(overlays=overlays)]
    if len(left) < len(photos):
        print(
            f"{len(photos) - len(left)} of {len(photos)} photos are done already; --overwrite does them again"
        )
    failed: list[str] = []
    for photo in progress(left, "photos", unit="photo"):
        try:
            check_size(photo.path, options.max_megapixels)
            rows = predict(photo, trained, side=options.tile, overlays=overlays)
        except (ValueError, FileNotFoundError) as error:
            failed.append(str(error))
            continue
        if len(photos) <= FEW:
            cells = [[row["class"], percent(row["share"]), percent(row["probability"])] for row in rows]
            table = text_table(["class", "% of photo", "mean probability"], cells)
            print(f"{photo.path}: {title(trained)}\n{table}\n")
    if failed:
        others = f" ({len(failed)} of {len(left)} photos cannot be used; the others are in {out})"
        raise ValueError(failed[0] + others * (len(left) > 1))
    print(f"masks, tables{' and overlays' * overlays} are in {out}")


def predict(photo: Photo, trained: Trained, *, side: int, overlays: bool) -> list[dict]:
    """Write what `trained` sees in `photo`; returns its table."""
    image = read_photo(photo.path, replace(trained.dataset.pictures, max_pixels=ANY))
    seen = look(trained, image, side=side)
    rows = shares(seen, trained)
    mask = mask_picture(seen.predicted, trained.step.order, trained.card)
    save_mask(mask, (image.shape[2], image.shape[1]), photo.mask)
    if overlays:
        labels = to_dataset_labels(seen.predicted, trained.step.order)
        save(overlay(image.permute(1, 2, 0).numpy(), labels, trained, rows), photo.overlay)
    write_csv(photo.shares, rows)
    return rows


def check_size(path: Path, limit: int) -> None:
    """Raise a ValueError if the picture at `path` has more than `limit` megapixels."""
    try:
        with Image.open(path) as image:
            megapixels = image.width * image.height / 1e6
    except OSError:  # no picture of Pillow's, which its reader says better
        return
    if megapixels > limit:
        allows = f"--max_megapixels {megapixels + 1:.0f} allows it"
        raise ValueError(f"{path} has {megapixels:,.1f} megapixels: {allows}")


def title(trained: Trained) -> str:
    """Who predicts: the run, if the checkpoint still lies in its folder, else the method."""
    folder, method = trained.path.resolve().parent.name, trained.method_name
    run = folder if folder.startswith(method.replace("*", "_STAR")) else method
    return f"{run} after step {trained.step.index} of {trained.step.dataset} {trained.step.task}"


def shares(seen: Seen, trained: Trained) -> list[dict]:
    """Per class found, largest first: name, value in masks, share of the pixels, their mean probability."""
    counts, names = seen.counts[: len(trained.step.order)], trained.class_names
    return [
        {
            "class": names[index],
            "label": trained.step.order[index],
            "value": in_words(trained.card["values"][trained.step.order[index]]),
            "share": counts[index] / counts.sum(),
            "probability": float(seen.probability[index] / counts[index]),
        }
        for index in np.argsort(-counts, kind="stable")
        if counts[index]
    ]


def in_words(value: int | list[int]) -> int | str:
    """A value as it is, a colour as "r g b"."""
    return value if isinstance(value, int) else " ".join(map(str, value))


def overlay(image: ndarray, labels: ndarray, trained: Trained, rows: list[dict]) -> ndarray:
    """Photo and prediction side by side, with names and a legend of class shares."""
    palette = trained.palette
    clear = (BACKGROUND,) if trained.dataset.has_background else ()
    names = legible({row["label"]: row["class"] for row in rows})
    photo = tile(image, SIDE, smooth=True)
    small = np.asarray(Image.fromarray(labels).resize(photo.size, Image.Resampling.NEAREST))
    painted = Image.fromarray(blend(np.asarray(photo), small, palette, clear=clear))
    write_names(painted, small, {label: name for label, name in names.items() if label not in clear}, size=14)
    entries = []
    for row in rows:
        note = " (left clear)" if row["label"] in clear else ""
        name = f"{names[row['label']]}{note} {percent(row['share'])} %"
        entries.append((name, tuple(int(value) for value in palette[row["label"]])))
    return sheet([[photo, painted]], ["photo", "prediction"], entries, caption=title(trained))


def parser() -> Parser:
    """The command line."""
    made = Parser("predict", __doc__)
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.add_argument("checkpoint", help="a step's checkpoint, or the folder of a run (its last step)")
    made.add_argument("photos", nargs="+", help="picture files, and folders of them")
    made.add_argument("--out", default="predictions", help="folder for what is written (predictions)")
    made.add_argument(
        "--tile",
        type=at_least(0),
        default=0,
        help="side of the parts that are seen alone, pixels (0: see whole)",
    )
    made.add_argument("--no_overlays", action="store_true", help="write masks and tables alone")
    made.add_argument("--overwrite", action="store_true", help="predict again what is written already")
    made.add_argument("--max_megapixels", type=at_least(1), default=500, help="refuse larger photos (500)")
    for name, what in {"dataset": "description", "data_root": "folder"}.items():
        made.add_argument(f"--{name}", default="", help=f"{what} of the data, for checkpoints without a card")
    return made


def cli(argv: Sequence[str] | None = None) -> int:
    """The program; returns the exit status."""
    return main(parser(), work, argv)


if __name__ == "__main__":
    sys.exit(cli())
