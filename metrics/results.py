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
                             number and hash of their content), counted (the same of those of the step, and
                             a hash of what their labels count as), network (checksum of the tested weights),
                             previous (the same of the step that it continued, null if none or unknown)
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
from dataclasses import asdict
from pathlib import Path

from metrics.confusion import ConfusionMatrix
from metrics.filed import (
    SCHEMA,
    csv_of,
    follows,
    one_chain,
    over_steps,
    published_csv,
    read_results,
    results_beside,
)
from metrics.reported import IMAGES, MASKS, METRICS, computed, scores
from metrics.scores import class_scores, number
from metrics.view import View, view_of_config
from tasks import Step
from utils.files import write_text

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
    view: View | None = None, kind: str = "", test_images: str = "", counted: str = "",
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
        test_images: what the images of the test set are. counted: which of them, and which of their labels.

    Raises:
        ValueError: if the matrix counted another number of images.
    """
    if matrix.images != num_images:
        raise ValueError(f"{matrix.images} test images were counted instead of {num_images}")
    folder, view = Path(folder), view or view_of_config(content["config"])
    path = folder / f"step_{step.index}{f'_{kind}' if kind else ''}.json"
    others = results_beside(path, kind)
    before = [one for one in others if one["step"] < step.index]
    earlier = one_chain(before)
    result = describe(matrix, step, dataset, content, view)
    result["test"] = about_test(view, content, test_images, counted)
    if earlier and not follows(result, earlier[-1]):
        earlier = []
    result["over_steps"] = over_steps([*earlier, result])
    lines = [f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in result.items()]
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")
    chain = one_chain([*before, result, *others[len(before) :]])
    write_text(csv_of(folder, kind), published_csv(chain, num_classes=step.num_total))
    return result


def about_test(view: View, content: dict, test_images: str, counted: str) -> dict:
    """What was measured, as the file says it; `content` is the checkpoint."""
    looked_at = {"view": asdict(view), "images": test_images, "counted": counted}
    previous = content.get("identity", {}).get("previous")
    return looked_at | {"network": content.get("learned"), "previous": previous}


def filed_result(
    folder: Path | str, index: int, content: dict, *, view: View, kind: str, test_images: str, counted: str
) -> dict | None:
    """The result of step `index` in `folder` if it is of just this test of this checkpoint, else None.

    It also has to follow from the earlier steps' results as they are now.
    """
    results = [result for result in read_results(folder, kind, quiet=True) if result["step"] <= index]
    if not results or results[-1]["step"] != index or not csv_of(folder, kind).is_file():
        return None
    *earlier, last = results
    if last.get("test") != about_test(view, content, test_images, counted):
        return None
    anew = last | {"classes": [dict(entry) for entry in last["classes"]]}
    same = last["over_steps"] == over_steps([*earlier, anew]) and last["classes"] == anew["classes"]
    return last if same else None


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
