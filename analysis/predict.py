"""What a trained network sees in plain photos: mask, overlay, and how much of each photo every class covers.

    python -m analysis.predict checkpoints/voc_15-5s_overlap/MiB_resnet101/step_5.pt photo.jpg

writes photo_mask.png (the dataset's class numbers, in its colours), photo_overlay.png and photo_shares.csv
into --out, and prints the shares. Photos are resized to the scale of training and never cropped.
"""

import io
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy import ndarray
from PIL import Image

from analysis.commands import Parser, main, percent, progress, text_table, write_csv
from analysis.overlays import blend, write_names
from analysis.runs import last_step
from analysis.trained import Trained, load_step
from dataset.base import voc_palette
from dataset.decode import read_photo
from utils.files import write_bytes
from utils.labels import BACKGROUND
from utils.pictures.segmentations import save, sheet, tile, to_dataset_labels

SIDE = 480  # longer side of photo and overlay in the picture, pixels


def work(options: Namespace) -> None:
    """All photos, one after another."""
    names = [Path(photo).stem for photo in options.photos]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"two photos are called {min(twice)}; predict them into different folders (--out)")
    trained = load_step(last_step(Path(options.checkpoint)), data_root=options.data_root, data=False)
    for name, photo in progress(list(zip(names, options.photos, strict=True)), "photos", unit="photo"):
        image = read_photo(photo)
        predicted, unsure = (values[0].numpy() for values in trained.predict(trained.view(image)[None]))
        rows = shares(predicted, unsure, trained)
        labels = to_dataset_labels(predicted, trained.step.order)
        out = Path(options.out)
        save_mask(labels, (image.shape[2], image.shape[1]), palette_of(trained), out / f"{name}_mask.png")
        save(overlay(image.permute(1, 2, 0).numpy(), labels, trained, rows), out / f"{name}_overlay.png")
        write_csv(out / f"{name}_shares.csv", rows)
        cells = [[row["class"], percent(row["share"]), percent(row["probability"])] for row in rows]
        print(
            f"{photo}: {title(trained)}\n{text_table(['class', '% of photo', 'mean probability'], cells)}\n"
        )
    print(f"masks, overlays and tables are in {out}")


def title(trained: Trained) -> str:
    """Who predicts."""
    return (
        f"{type_name(trained)} after step {trained.step.index} of {trained.step.dataset} {trained.step.task}"
    )


def type_name(trained: Trained) -> str:
    """Name of the run's folder, which names method and backbone."""
    return trained.path.resolve().parent.name


def palette_of(trained: Trained) -> ndarray:
    """Colours of the dataset's labels; VOC's if the dataset is not there."""
    return voc_palette() if isinstance(trained.dataset, type) else trained.dataset.palette


def shares(predicted: ndarray, unsure: ndarray, trained: Trained) -> list[dict]:
    """Per class found, largest first: name, share of the pixels, mean probability of its pixels."""
    counts = np.bincount(predicted.ravel(), minlength=len(trained.step.order))
    names = trained.class_names
    return [
        {
            "class": names[index],
            "label": trained.step.order[index],
            "share": counts[index] / predicted.size,
            "probability": float(1 - unsure[predicted == index].mean()),
        }
        for index in np.argsort(-counts, kind="stable")
        if counts[index]
    ]


def overlay(image: ndarray, labels: ndarray, trained: Trained, rows: list[dict]) -> ndarray:
    """Photo and prediction side by side, with names and a legend of class shares."""
    palette, dataset = palette_of(trained), trained.dataset
    clear = (BACKGROUND,) if dataset.has_background else ()
    photo = tile(image, SIDE, smooth=True)
    small = np.asarray(Image.fromarray(labels).resize(photo.size, Image.Resampling.NEAREST))
    painted = Image.fromarray(blend(np.asarray(photo), small, palette, clear=clear))
    write_names(
        painted, small, {row["label"]: row["class"] for row in rows if row["label"] not in clear}, size=14
    )
    entries = []
    for row in rows:
        note = " (left clear)" if row["label"] in clear else ""
        name = f"{row['class']}{note} {percent(row['share'])} %"
        entries.append((name, tuple(int(value) for value in palette[row["label"]])))
    return sheet([[photo, painted]], ["photo", "prediction"], entries, caption=title(trained))


def save_mask(labels: ndarray, size: tuple[int, int], palette: ndarray, path: Path) -> None:
    """Write `labels` (h, w) at `size` (width, height) as an indexed PNG, whole or not at all."""
    mask = Image.fromarray(labels).resize(size, Image.Resampling.NEAREST)
    mask.putpalette(palette.tobytes())
    data = io.BytesIO()
    mask.save(data, format="PNG")
    write_bytes(path, data.getvalue())


def parser() -> Parser:
    """The command line."""
    made = Parser("predict", "What a trained network sees in plain photos.")
    made.add_argument("checkpoint", help="a step's checkpoint, or the folder of a run (its last step)")
    made.add_argument("photos", nargs="+", help="picture files")
    made.add_argument("--out", default="predictions", help="folder for masks, overlays and tables")
    made.add_argument(
        "--data_root", default="", help="folder of the dataset, where only it knows the classes"
    )
    return made


def cli(argv: Sequence[str] | None = None) -> int:
    """The program; returns the exit status."""
    return main(parser(), work, argv)


if __name__ == "__main__":
    sys.exit(cli())
