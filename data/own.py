"""The check of one's own data: one look at every file, one table, one picture, and what to do next."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data import overlays
from data.mend import Looked, Surveys, Trouble, of_error, troubles
from dataset.files import check
from dataset.folder import SPLITS, Folder
from dataset.own.labels import ColourLabels
from dataset.rules import select
from dataset.survey import rgb_words
from dataset.threads import in_threads
from tasks import halves, make_step
from utils.labels import IGNORE

FIRST = 3  # troubles that are printed
BATCH = 24  # what run.py takes by default
SPOKEN = ("void", "ignore", "ignored", "unlabeled", "unlabelled", "unknown")


def check_own(description: Path, picture: Path, data_root: str = "") -> int:
    """Print all about the data that `description` describes; 0 if they can be trained on, else 1."""
    surveys: Surveys = {}
    found: list[Trouble] = []
    try:
        dataset = Folder(data_root, description)
    except (ValueError, OSError) as error:
        return _end(description, [of_error(error)])
    for split in (split for split in SPLITS if split in dataset.places):
        try:
            samples = dataset.list_samples(split)
            check(samples, f"{dataset.name} {split}")
        except (ValueError, OSError) as error:
            found.append(of_error(error))
            continue
        looks = in_threads(dataset.survey, samples, f"{dataset.name} {split}: looking at files")
        surveys[split] = Looked(samples, looks)
    found += troubles(dataset, surveys)
    print("\n".join(splits(dataset, surveys) + [""] + classes(dataset, surveys) + notes(dataset, surveys)))
    if found or "train" not in surveys:
        return _end(description, found)
    places = overlays.chosen(surveys["train"].counts)
    overlays.write(dataset, [surveys["train"].samples[place] for place in places], picture)
    print(f"\nlook at {picture}: {len(places)} images, their masks and both together")
    print(f"ready: run {command(dataset, surveys, description, data_root)}")
    return 0


def _end(description: Path, found: list[Trouble]) -> int:
    more = f"; the first {FIRST}" if len(found) > FIRST else ""
    print(f"\nto mend in {description} ({len(found)}{more}):")
    for number, trouble in enumerate(found[:FIRST], 1):
        print("\n".join(trouble.lines(number)))
    print(f"then: python -m data.check {shlex.quote(str(description))}")
    return 1


def splits(dataset: Folder, surveys: Surveys) -> list[str]:
    """Images, sizes and kinds of files of each split."""
    rows = [("split", "images", "sizes", "pictures", "masks")]
    for split, one in surveys.items():
        looks = one.looks
        sizes = Counter("x".join(map(str, look.image.upright)) for look in looks if look.image)
        usual = ", ".join(size for size, _ in sizes.most_common(2))
        more = f" and {len(sizes) - 2} more" if len(sizes) > 2 else ""
        kinds = [
            ", ".join(f"{kind} {number}" if several > 1 else kind for kind, number in found.most_common(4))
            for found in (
                Counter(_kind(look.image) for look in looks),
                Counter(_kind(look.mask) for look in looks),
            )
            for several in [len(found)]
        ]
        rows.append((split, f"{len(looks):,}", usual + more, *kinds))
    return [f"{dataset.name}, from {dataset.description}", *aligned(rows, right=(1,))]


def _kind(header) -> str:
    return f"{header.format} {header.mode}" if header else "not read"


def classes(dataset: Folder, surveys: Surveys) -> list[str]:
    """What of the files means which class, its colour in pictures, its pixels, and images that show it."""
    counts = {split: one.counts for split, one in surveys.items()}
    total = sum((table.sum(axis=0) for table in counts.values()), np.zeros(256, np.int64))
    rows = [("in masks", "class", "drawn as", "pixels", "share", *(f"in {split}" for split in counts))]
    for label in [*range(len(dataset.class_names)), IGNORE]:
        name = "void" if label == IGNORE else dataset.class_names[label]
        if label == 0 and dataset.has_background:
            name += " (background)" * (name != "background")
        images = [f"{int((table[:, label] > 0).sum()):,}" for table in counts.values()]
        share = f"{100 * total[label] / max(1, total.sum()):.1f} %"
        rows.append(
            (
                _meaning(dataset, label),
                name,
                rgb_words(dataset.palette[label]),
                f"{total[label]:,}",
                share,
                *images,
            )
        )
    return aligned(rows, right=(3, 4, 5, 6, 7))


def _meaning(dataset: Folder, label: int) -> str:
    labels = dataset.labels
    if isinstance(labels, ColourLabels):
        return " ".join(rgb_words(one[:3]) for one in labels.colours if one[3] == label) or "-"
    named = [(first, last) for first, last, one in labels.named if one == label]
    words = [str(first) if first == last else f"{first}-{last}" for first, last in named]
    words += [str(value) for value in labels.void] * (label == IGNORE) + ["other"] * (labels.other == label)
    return ", ".join(words) or "-"


def notes(dataset: Folder, surveys: Surveys) -> list[str]:
    """What is no fault, but should be known."""
    lines = []
    for split, lacking in dataset.left_out.items():
        if lacking:
            lines.append(
                f"note: {len(lacking)} pictures of {split} without a mask are left out, such as {lacking[0]}"
            )
    for name in dataset.class_names[1:]:
        if name.lower() in SPOKEN:
            lines.append(f"note: {name} is learned as a class; if it is void, say so by values or colors")
    if "train" in surveys:
        shown, looks = surveys["train"].counts.any(axis=0), surveys["train"].looks
        absent = [name for label, name in enumerate(dataset.class_names) if not shown[label]]
        if absent:
            lines.append(f"note: no training image shows {', '.join(absent)}")
        if any(look.image and look.image.mode in ("RGBA", "LA", "PA") for look in looks):
            lines.append(
                "note: the fourth band of pictures is taken for opacity and dropped; bands: [..] chooses"
            )
    return ["", *lines] if lines else []


def command(dataset: Folder, surveys: Surveys, description: Path, data_root: str) -> str:
    """The call that trains: the first task of the description that can be, else two steps of equal size."""
    shown, ids = surveys["train"].counts > 0, [sample.id for sample in surveys["train"].samples]

    def showing(labels: Sequence[int]) -> np.ndarray:
        return shown[:, labels].any(axis=1)

    def fewest_images(task: str) -> int:
        step = make_step(dataset, task)
        return min(int(select(showing, ids, step.at(index)).sum()) for index in range(step.num_steps))

    tasks = [*dataset.tasks, halves(len(dataset.class_names) - dataset.has_background), "offline"]
    task = next((task for task in tasks if fewest_images(task)), "offline")  # one without empty steps
    fewest = fewest_images(task)
    words = ["python", "run.py", "--dataset", str(description), "--task", task]
    words += ["--data_root", data_root] if data_root else []
    words += ["--batch_size", str(max(1, fewest))] if fewest < BATCH else []
    return shlex.join(words)


def aligned(rows: list[tuple[str, ...]], right: tuple[int, ...] = ()) -> list[str]:
    """`rows` as lines of equal columns; those in `right` end where the others begin."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.rjust(width) if place in right else cell.ljust(width)
                  for place, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]  # fmt: skip
