"""Result files read, and what those of several steps say together; without PyTorch."""

import json
import math
from pathlib import Path

from metrics.numbers import average, forgetting, trainable_percent
from metrics.published_csv import published_row
from metrics.view import result_files

SCHEMA = 1  # see `metrics.results`


def over_steps(results: list[dict]) -> dict:
    """Numbers over the steps in `results`, in order; fills in the forgetting of the last one's classes."""
    last = results[-1]
    by_label = [{entry["label"]: entry["iou"] for entry in result["classes"]} for result in results]
    lost = forgetting(by_label)
    for entry in last["classes"]:
        entry["forgetting"] = lost.get(entry["label"])
    costs = [result["cost"] for result in results if result["step"] > 0]
    costs = [cost for cost in costs if {"trainable_parameters", "finetuning_parameters"} <= cost.keys()]
    return {
        "steps": [result["step"] for result in results],
        "average_miou": average([result["scores"]["miou_all"] for result in results]),
        "average_miou_foreground": average([result["scores"]["miou_all_foreground"] for result in results]),
        "mean_forgetting": average(list(lost.values())),
        "trainable_percent": trainable_percent(
            [cost["trainable_parameters"] for cost in costs],
            [cost["finetuning_parameters"] for cost in costs],
        ),
    }


def published_csv(results: list[dict], *, num_classes: int) -> str:
    """The published CSV of all steps."""
    rows = [
        published_row(
            result["step"],
            [entry["iou"] for entry in result["classes"]],
            math.nan if result["scores"]["miou_all"] is None else result["scores"]["miou_all"],
            num_classes=num_classes,
        )
        for result in results
    ]
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
