"""Table and picture of the demo from the files of its runs: `python -m scripts.demo_report outputs/demo`."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from analysis.trained import load_step
from metrics.filed import read_results
from metrics.scores import average
from utils.pictures.segmentations import comparison, save, to_dataset_labels

JOINT = "joint"
NOTES = """\
mIoU in % after the last step. old-bg: {old} (step 0, without background);
new: {new} (later steps); all+bg: these and the background, which other tables count as an old class.
forgetting: best IoU of an earlier step minus the IoU now, mean over classes.
seconds: of training; a step 0 that methods share counts for each. trainable: parameters the last step moves.

Of what joint training reaches on the old classes there is left: {left}.
This does not rank the methods that keep: in so small a world most images of the later steps show old objects,
so distillation always sees them, and two easy increments are no long sequence; published VOC 15-1 results are
ordered otherwise."""


@dataclass(frozen=True)
class Run:
    """The results of each step of one run, and the checkpoint after the last one."""

    name: str
    results: list[dict]
    checkpoint: Path


def collect(folder: Path) -> list[Run]:
    """The runs in `folder`, incremental ones in the order they were made, then joint training.

    Raises:
        FileNotFoundError: if one of the two is missing.
    """
    runs = []
    for path in sorted((folder / "results").glob("*/*"), key=lambda path: path.stat().st_mtime):
        results = read_results(path)
        name = results[-1]["method"] if results[-1]["num_steps"] > 1 else JOINT
        file = folder / "checkpoints" / path.parent.name / path.name / f"step_{results[-1]['step']}.pt"
        runs.append(Run(name, results, file))
    runs.sort(key=lambda run: run.name == JOINT)
    if len(runs) < 2 or runs[-1].name != JOINT:
        raise FileNotFoundError(f"no complete demo in {folder}: run scripts/demo.sh")
    return runs


def table(runs: list[Run]) -> str:
    """Method by old, new, all, forgetting, seconds and trainable parameters, and what the columns mean."""
    classes = runs[0].results[-1]["classes"][1:]
    old = [entry["name"] for entry in classes if entry["step"] == 0]
    new = [entry["name"] for entry in classes if entry["step"] > 0]
    rows = [["method", "old-bg", "new", "all+bg", "forgetting", "seconds", "step 0", "later", "trainable"]]
    reached = {}
    for run in runs:
        last, steps = run.results[-1], run.results
        iou = {entry["name"]: entry["iou"] for entry in last["classes"]}
        means = [average([iou[name] for name in names]) for names in (old, new, list(iou))]
        seconds = [result["cost"]["seconds"] for result in steps]
        lost = percent(last["over_steps"]["mean_forgetting"]) if len(steps) > 1 else "-"
        later = f"{sum(seconds[1:]):.0f}" if len(steps) > 1 else "-"
        spent = [f"{sum(seconds):.0f}", f"{seconds[0]:.0f}", later]
        parameters = f"{last['cost']['trainable_parameters']:,}"
        rows.append([run.name, *map(percent, means), lost, *spent, parameters])
        reached[run.name] = means[0]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    left = [f"{run.name} {percent(reached[run.name] / reached[JOINT])} %" for run in runs[:-1]]
    notes = NOTES.format(old=", ".join(old), new=", ".join(new), left=", ".join(left))
    return "\n".join([*lines, "", notes])


def percent(share: float) -> str:
    """A share in per cent."""
    return f"{100 * share:.1f}"


def picture(runs: list[Run], *, rows: int = 6) -> np.ndarray:
    """Image, truth and each run's prediction after its last step, on the first test images that show most.

    Returns:
        RGB uint8 (height, width, 3).
    """
    trained = {run.name: load_step(run.checkpoint) for run in runs}
    first = trained[runs[0].name]
    old, new = first.step.groups[0][1:], [label for group in first.step.groups[1:] for label in group]
    dataset = first.dataset
    images, truths = [], []
    for sample in dataset.samples(dataset.test_split):
        image, mask = dataset.read(sample)
        shown = set(mask.unique().tolist())
        if len(images) < rows and shown & set(old) and shown & set(new):
            images.append(image)
            truths.append(mask.numpy())
    predictions = {}
    for name, network in trained.items():
        predicted, _ = network.predict(torch.stack(images))
        predictions[name] = list(to_dataset_labels(predicted.numpy(), network.step.order))
    return comparison(
        [image.permute(1, 2, 0).numpy() for image in images],
        truths,
        predictions,
        class_names=dataset.class_names,
        palette=dataset.palette,
        caption=f"old: {names(dataset, old)}; new: {names(dataset, new)}",
    )


def names(dataset, labels: list[int]) -> str:
    """Names of `labels`."""
    return ", ".join(dataset.class_names[label] for label in labels)


def main(argv: list[str] | None = None) -> int:
    """Command line of this script."""
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("folder", type=Path, help="what scripts/demo.sh wrote")
    folder = parser.parse_args(argv).folder
    try:
        runs = collect(folder)
        print(f"\n{table(runs)}")
        save(picture(runs), folder / "pictures.png")
    except (ValueError, OSError) as error:
        print(f"demo_report: error: {error}", file=sys.stderr)
        return 2
    print(f"\npicture: {folder / 'pictures.png'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
