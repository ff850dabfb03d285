"""Result files of a run: one JSON per step, and the published CSV over all steps.

`step_<k>.json`, for tests of another kind `step_<k>_<kind>.json` (e.g. `_full`), schema 1, one key per line;
shares of 1, null where a number does not exist:

    schema                   1; a reader refuses what it does not know
    method, dataset, task, setting, protocol, evaluation, step, num_steps, has_background
    conventions              in words, what the numbers below count as what
    classes                  per class in learning order: name, label (in the dataset), step (that taught
                             it), pixels (in the test labels), iou, accuracy, forgetting (null until an
                             earlier step had it)
    confusion, columns       pixels; rows are `classes`, columns are named (they may include untaught classes)
    scores                   every number of that section in `metrics.reported.METRICS`
    over_steps               steps (that were found), and the numbers of that section: average_miou and
                             average_miou_foreground (the papers' "avg"), mean_forgetting, trainable_percent;
                             of images with one label average_incremental_accuracy
    metrics                  unit and direction of every number
    test                     what was measured: view (see `metrics.view.View`), images (of the whole test set:
                             number and hash of their content), network (checksum of the tested weights)
    images                   test images
    skipped                  images that cannot be used and were left out: split, id, reason
    drift                    values that differ from those of the step before
    cost                     what training recorded (seconds, images, trainable_parameters, ...), and the
                             numbers of that section that follow from it
    config, versions         of the run that trained the checkpoint

Intransigence needs joint training, which is another run: `python -m analysis.report` computes it, per class,
from the files of both.
"""

import json
import math
from dataclasses import asdict
from pathlib import Path

from metrics.confusion import ConfusionMatrix
from metrics.published_csv import published_row
from metrics.reported import IMAGES, MASKS, METRICS, computed, labels_of, scores
from metrics.scores import class_scores, forgetting, number
from metrics.view import View, result_files, view_of_config
from tasks import Step
from utils.files import write_text

SCHEMA = 1
CONVENTIONS = {
    "old": "classes of step 0, background among them; new: all later classes",
    "foreground": "background left out of the mean; elsewhere it counts as an old class",
    "absent": "classes without a pixel in the test labels are left out of every mean, as in the published "
    "systems; where one is predicted, miou_all_predicted_counts counts it as 0, as cityscapesscripts, "
    "torchmetrics, ignite and segmentation_models.pytorch do",
    "forgetting": "best IoU of an earlier step minus the IoU now; accuracy, where images have one label",
    "average": "mean over steps 0 to this one",
}


def write_result(
    folder: Path | str, matrix: ConfusionMatrix, step: Step, dataset, content: dict, *, num_images: int,
    view: View | None = None, kind: str = "", test_images: str = "",
) -> dict:  # fmt: skip
    """File the evaluation of one step as JSON, and rewrite the CSV; returns the JSON's content.

    Args:
        folder: results folder of the run; the files of earlier steps in it give the numbers over steps.
        matrix: of the test images, summed over processes.
        step: the step.
        dataset: names the classes.
        content: the checkpoint that was tested: its method, config, versions and cost.
        num_images: images that should have been counted.
        view: what the test looked at; None: what the configuration in `content` says.
        kind: its name among the folder's results, "" for the usual one.
        test_images: what the images of the test set are.

    Raises:
        ValueError: if the matrix counted another number of images.
    """
    if matrix.images != num_images:
        raise ValueError(f"{matrix.images} test images were counted instead of {num_images}")
    folder, view = Path(folder), view or view_of_config(content["config"])
    earlier = [result for result in read_results(folder, kind) if result["step"] < step.index]
    result = describe(matrix, step, dataset, content, view)
    result["test"] = {"view": asdict(view), "images": test_images, "network": content.get("learned")}
    result["over_steps"] = over_steps([*earlier, result])
    lines = [f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in result.items()]
    suffix = f"_{kind}" if kind else ""
    write_text(folder / f"step_{step.index}{suffix}.json", "{\n" + ",\n".join(lines) + "\n}\n")
    csv = published_csv(read_results(folder, kind), num_classes=step.num_total)
    write_text(folder / f"results{suffix}.csv", csv)
    return result


def describe(matrix: ConfusionMatrix, step: Step, dataset, content: dict, view: View) -> dict:
    """The JSON of one step, but for what other steps contribute."""
    counts = matrix.counts.cpu()
    per_class = class_scores(counts)
    taught = [index for index, size in enumerate(step.all_sizes) for _ in range(size)]
    classes = [
        {
            "name": dataset.class_names[label],
            "label": label,
            "step": taught[row],
            "pixels": int(per_class["pixels"][row]),
            "iou": number(per_class["iou"][row]),
            "accuracy": number(per_class["accuracy"][row]),
            "forgetting": None,
        }
        for row, label in enumerate(step.seen)
    ]
    config, cost = content["config"], dict(content.get("cost", {}))
    cost |= {name: one for name, one in computed("cost", cost).items() if one is not None}
    names = [dataset.class_names[label] for label in step.order]
    return {
        "schema": SCHEMA,
        "method": content["method"],
        "dataset": step.dataset,
        "task": step.task,
        "setting": config.get("setting"),
        "protocol": view.protocol,
        "evaluation": view.evaluation,
        "step": step.index,
        "num_steps": step.num_steps,
        "has_background": step.has_background,
        "conventions": CONVENTIONS,
        "classes": classes,
        "confusion": counts.tolist(),
        "columns": names[: counts.shape[1]],
        "scores": scores(counts, num_base=len(step.groups[0]), has_background=step.has_background,
                         labels=IMAGES if dataset.one_label else MASKS),
        "metrics": {name: {"unit": one.unit, "higher_is_better": one.higher_is_better}
                    for name, one in METRICS.items()},
        "images": matrix.images,
        "skipped": list(dataset.skipped),
        "drift": content.get("drift", []),
        "cost": cost,
        "config": config,
        "versions": content["versions"],
    }  # fmt: skip


def over_steps(results: list[dict]) -> dict:
    """Numbers over the steps in `results`, in order; fills in the forgetting of the last one's classes."""
    last = results[-1]
    measure = "accuracy" if labels_of(last) == IMAGES else "iou"
    by_label = [{entry["label"]: entry[measure] for entry in result["classes"]} for result in results]
    lost = forgetting(by_label)
    for entry in last["classes"]:
        entry["forgetting"] = lost.get(entry["label"])
    return {"steps": [result["step"] for result in results]} | computed("over_steps", results)


def published_csv(results: list[dict], *, num_classes: int) -> str:
    """The published CSV of all steps; with accuracies in place of IoUs where images have one label."""
    rows = []
    for result in results:
        by_image = labels_of(result) == IMAGES
        whole, single = ("top1_accuracy_all", "accuracy") if by_image else ("miou_all", "iou")
        total = result["scores"][whole]
        cells = [entry[single] for entry in result["classes"]]
        rows.append(published_row(result["step"], cells, math.nan if total is None else total,
                                  num_classes=num_classes))  # fmt: skip
    return "".join(f"{row}\n" for row in rows)


def read_results(folder: Path | str, kind: str = "") -> list[dict]:
    """The JSON of every step in `folder`, of one `kind` of test, by step; [] if there is none.

    Raises:
        ValueError: for a file that is damaged or of another schema.
    """
    results = []
    for path in result_files(folder).get(kind, []):
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(
                f"{path} is no result file ({error}); test the step again to rewrite it"
            ) from error
        if not isinstance(result, dict) or result.get("schema") != SCHEMA:
            raise ValueError(
                f"{path} is no result file of schema {SCHEMA}; test the step again to rewrite it"
            )
        results.append(result)
    return results
