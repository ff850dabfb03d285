"""Is forgetting in the features or in the classifier? Class means and classifier rows of every step,
compared.

    python -m analysis.drift checkpoints/shapes_4-1_overlap/FT_tiny
    checkpoints/shapes_4-1_overlap/DFT_STAR_tiny

For every step: the mean feature of each class over training images labelled with all classes (prototype), the
classifier's rows, their cosines, and how many pixels of each class are still recognised, by the network's own
classifier and by the nearest class mean of the same features, among the same classes at every step. Writes
drift.csv (per run, step and class), drift.npz (prototypes, rows and cosines), summary.png, and per run
<run>_cosines.png and <run>_classes.png.
The feature of a pixel is what classifiers read of it: on --head mask, of the query that it goes to.
As in RevisitingCSS (run_proto.py), but with true means for every batch size and labels reduced without
blending classes.
"""

import io
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from analysis.commands import Parser, at_least, main, text_table, write_csv
from analysis.features import all_classes, outputs_of, part_of, train_views
from analysis.prototypes import ClassMeans, cosines, labels_at, published_labels_at, taught_rows
from analysis.runs import find_runs
from analysis.trained import Trained
from utils.files import write_bytes

NOTE = "means over the classes of step 0; cosines to what they were when learned; nearest mean of all classes"
NOTE_ON_BACKGROUND = "; background is left out as in summary.png, +bg: it counts"


@dataclass(frozen=True)
class Measured:
    """Measurements of one step's network; classes by model index, over the whole task.

    Attributes:
        step: its number. taught: step that taught each class.
        prototypes: mean features (C, D). rows: classifier rows (C, D), zero for classes not taught yet.
        recall, nearest: share of each class's test pixels that the network's own classifier of the classes
            taught so far, and the nearest of the means of all classes, get right (C,); nan without pixels.
    """

    step: int
    taught: list[int]
    prototypes: Tensor
    rows: Tensor
    recall: Tensor
    nearest: Tensor

    @cached_property
    def cosines(self) -> Tensor:
        """Cosine of every prototype (rows) with every classifier row (columns), (C, C)."""
        return cosines(self.prototypes, self.rows)


def work(options: Namespace) -> None:
    """Measure every step of every run; write files and figures, print a table over the classes of step 0."""
    runs = find_runs(
        options.runs, data_root=options.data_root, cache_dir=options.cache_dir, dataset=options.dataset
    )
    reduce = published_labels_at if options.published_labels else labels_at
    out, measured, rows, names = Path(options.out), {}, [], []
    means: dict[int, ClassMeans] = {}  # of equal networks, such as those of a method that freezes them
    for run in runs:
        steps = []
        for trained in run.steps():
            net = trained.method.net
            if not all(hasattr(classifier, "weight") for classifier in net.cls):
                raise ValueError(f"{run.name}: its classifiers are of several layers, not rows; leave it out")
            title = f"{run.name} step {trained.step.index}"
            # Which query a cell goes to is the classifiers' choice, too.
            encoder = trained.checksum if net.head.answers == "masks" else trained.encoder
            if encoder not in means:
                means[encoder] = class_means(trained, reduce, options.num_images, title)
            steps.append(measure(trained, means[encoder], title))
            names = trained.class_names
        measured[run.name] = steps
        rows += [{"run": run.name} | row for row in tidy(steps, names)]
    write_csv(out / "drift.csv", rows)
    arrays = {
        f"{name}/step_{one.step}/{what}": getattr(one, what).float().numpy()
        for name, steps in measured.items()
        for one in steps
        for what in ("prototypes", "rows", "cosines")
    }
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write_bytes(out / "drift.npz", content.getvalue())
    drawn = dict(zip(names, trained.drawn_names, strict=True))
    has_background = trained.dataset.has_background
    print(table(rows, names[0] if has_background else ""))
    print(NOTE + NOTE_ON_BACKGROUND * has_background)
    from analysis.drift_figures import draw_all  # half a second of imports

    draw_all(out, rows, measured, drawn, has_background=has_background)
    print(f"tables and figures are in {out}")


def class_means(trained: Trained, reduce, num_images: int, title: str) -> ClassMeans:
    """Mean features over training images labelled with all classes, also later ones; one pass."""
    images = part_of(train_views(all_classes(trained)), num_images)
    channels = trained.method.net.head.out_channels
    means = ClassMeans(trained.step.num_total, channels, device=trained.device)
    for out, labels in outputs_of(trained, trained.loader(images), f"{title}: class means"):
        means.update(out.read, reduce(labels, out.read.shape[-2:]))
    return means


def measure(trained: Trained, means: ClassMeans, title: str) -> Measured:
    """One pass over the test images: recall of the own classifier and of the nearest class mean."""
    step, net = trained.step, trained.method.net
    rows = torch.cat([classifier.weight.detach().flatten(1) for classifier in net.cls]).double()
    # All classes of the task at every step, also those to come: more candidates are harder to tell apart, and
    # a frozen network would seem to lose what it still has.
    known, centres = means.counts > 0, means.means
    right = torch.zeros(2, step.num_total, dtype=torch.int64, device=trained.device)
    pixels = torch.zeros(step.num_total, dtype=torch.int64, device=trained.device)
    tested = all_classes(trained).test  # the same pixels of the same classes at every step
    for out, labels in outputs_of(trained, trained.loader(tested), f"{title}: test"):
        labels = labels_at(labels, out.logits_small.shape[-2:]).long()
        vectors = out.read.movedim(1, -1).double()  # (N, h, w, D)
        distance = torch.cdist(vectors.flatten(0, 2), centres).view(*labels.shape, -1)
        nearest = distance.where(known, torch.inf).argmin(-1)
        own = trained.method.predict(out.logits_small.float())
        counted = labels < step.num_total
        pixels += torch.bincount(labels[counted], minlength=step.num_total)
        for which, answers in enumerate((own, nearest)):
            right[which] += torch.bincount(labels[counted & (answers == labels)], minlength=step.num_total)
    recall = (right / pixels.where(pixels > 0, -1)).where(pixels > 0, torch.nan).cpu()
    taught = [index for index, size in enumerate(step.all_sizes) for _ in range(size)]
    return Measured(
        step.index,
        taught,
        means.means.cpu(),
        taught_rows(rows, step.num_seen, step.num_total).cpu(),
        recall[0],
        recall[1],
    )


def tidy(steps: Sequence[Measured], names: Sequence[str]) -> list[dict]:
    """One line per step and class taught by then: drift since it was learned, alignment, recognition."""
    lines = []
    for one in steps:
        for index, name in enumerate(names):
            if one.taught[index] > one.step:
                continue
            # When it was new, or as early as there is a checkpoint.
            before = next(other for other in steps if other.step >= one.taught[index])
            shown = bool(one.prototypes[index].any() and before.prototypes[index].any())
            feature, row = (
                float(cosines(getattr(one, what)[index, None], getattr(before, what)[index, None]))
                for what in ("prototypes", "rows")
            )
            lines.append(
                {
                    "step": one.step,
                    "class": name,
                    "taught": one.taught[index],
                    "feature": feature if shown else None,  # without a pixel there is no mean
                    "row": row,
                    "alignment": float(one.cosines[index, index]) if shown else None,
                    "recall": number(one.recall[index]),
                    "nearest_mean": number(one.nearest[index]),
                }
            )
    return lines


def number(value: Tensor) -> float | None:
    """A float for files, None for nan."""
    return None if torch.isnan(value) else float(value)


def table(rows: Sequence[dict], background: str = "") -> str:
    """Means over the classes of step 0, per run and step, as text: those of summary.png.

    If there is a class `background`, it is left out, and two columns more count it.
    """
    header = ["run", "step", "feature cosine", "row cosine", "alignment", "recognised", "by nearest mean"]
    header += ["recognised +bg", "by nearest mean +bg"] if background else []
    base = [row for row in rows if row["taught"] == 0]
    objects = [row for row in base if row["class"] != background]
    cells = []
    for run, step in dict.fromkeys((row["run"], row["step"]) for row in rows):
        shown = [(objects, key) for key in ("feature", "row", "alignment", "recall", "nearest_mean")]
        shown += [(base, key) for key in ("recall", "nearest_mean")] if background else []
        cells.append([run, str(step), *(mean_of(some, run, step, key) for some, key in shown)])
    return text_table(header, cells)


def mean_of(rows: Sequence[dict], run: str, step: int, key: str) -> str:
    """Mean of `key` over `rows` of a step of a run; "-" if none has a value."""
    values = [row[key] for row in rows if (row["run"], row["step"]) == (run, step) and row[key] is not None]
    return f"{sum(values) / len(values):.3f}" if values else "-"


def parser() -> Parser:
    """The command line."""
    made = Parser("drift", "Drift of class means and classifier rows over the steps of runs.")
    made.add_run_flags("drift", "tables and figures")
    made.add_argument(
        "--num_images", type=at_least(0), default=0, help="class means of so many images only; 0: of all"
    )
    made.add_argument(
        "--published_labels",
        action="store_true",
        help="reduce labels to feature maps as published: blend class numbers, cut to integers",
    )
    return made


def cli(argv: Sequence[str] | None = None) -> int:
    """The program; returns the exit status."""
    return main(parser(), work, argv)


if __name__ == "__main__":
    sys.exit(cli())
