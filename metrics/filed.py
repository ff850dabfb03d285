"""Result files read, and what those of several steps say together; without PyTorch."""

import json
import math
from functools import lru_cache
from pathlib import Path

from metrics.published_csv import published_row
from metrics.reported import computed
from metrics.scores import forgetting
from metrics.view import result_files

SCHEMA = 1  # see `metrics.results`


def over_steps(results: list[dict]) -> dict:
    """Numbers over the steps in `results`, in order; fills in the forgetting of the last one's classes."""
    last = results[-1]
    by_label = [{entry["label"]: entry["iou"] for entry in result["classes"]} for result in results]
    lost = forgetting(by_label)
    for entry in last["classes"]:
        entry["forgetting"] = lost.get(entry["label"])
    return {"steps": [result["step"] for result in results]} | computed("over_steps", results)


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

    A file that has not changed is read once in the life of the process: what it holds must not be changed.

    Raises:
        ValueError: for a file that is damaged or of another schema.
    """
    return [read(path, version_of(path)) for path in result_files(folder).get(kind, [])]


def version_of(path: Path) -> tuple[int, ...]:
    """What changes when a file is written anew."""
    about = path.stat()
    return about.st_ino, about.st_mtime_ns, about.st_size


@lru_cache(maxsize=1024)
def read(path: Path, _version: tuple[int, ...]) -> dict:
    """One result file."""
    cure = "test the step again (--test) to rewrite it"
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no result file ({error}); {cure}") from error
    if not isinstance(result, dict) or result.get("schema") != SCHEMA:
        raise ValueError(f"{path} is no result file of schema {SCHEMA}; {cure}")
    return result


def csv_of(folder: Path | str, kind: str) -> Path:
    """The published table over the steps of one `kind` of test."""
    return Path(folder) / f"results{f'_{kind}' if kind else ''}.csv"
