"""Result files read, and what those of several steps say together; without PyTorch."""

import json
import logging
import math
from functools import lru_cache
from pathlib import Path

from metrics.published_csv import published_row
from metrics.reported import computed, measures
from metrics.scores import forgetting
from metrics.view import result_files
from utils.files import version_of

SCHEMA = 1  # see `metrics.results`

log = logging.getLogger(__name__)
_said: set[str] = set()  # files that this process has named as of another chain


def over_steps(results: list[dict]) -> dict:
    """Numbers over the steps in `results`, in order; fills in the forgetting of the last one's classes."""
    last = results[-1]
    _, measure = measures(last)
    by_label = [{entry["label"]: entry[measure] for entry in result["classes"]} for result in results]
    lost = forgetting(by_label)
    for entry in last["classes"]:
        entry["forgetting"] = lost.get(entry["label"])
    return {"steps": [result["step"] for result in results]} | computed("over_steps", results)


def published_csv(results: list[dict], *, num_classes: int) -> str:
    """The published CSV of all steps; with accuracies in place of IoUs where images have one label."""
    rows = []
    for result in results:
        whole, single = measures(result)
        total = result["scores"][whole]
        cells = [entry[single] for entry in result["classes"]]
        rows.append(published_row(result["step"], cells, math.nan if total is None else total,
                                  num_classes=num_classes))  # fmt: skip
    return "".join(f"{row}\n" for row in rows)


def read_results(folder: Path | str, kind: str = "", *, quiet: bool = False) -> list[dict]:
    """The JSON of every step in `folder`, of one `kind` of test, by step; [] if there is none.

    A file that has not changed is read once in the life of the process: what it holds must not be changed.
    A step that continued another network than the one that the step before it has now, e.g. after
    `--overwrite 0`, is left out with those after it: numbers over steps are of one chain. One line says so,
    unless `quiet`.

    Raises:
        ValueError: for a file that is damaged or of another schema.
    """
    files = result_files(folder).get(kind, [])
    results = [read(path, version_of(path)) for path in files]
    chain = one_chain(results)
    if not quiet and len(chain) < len(results) and (path := str(files[len(chain)])) not in _said:
        _said.add(path)
        index = results[len(chain)]["step"]
        log.warning(f"{path} is left out: it continued another step {index - 1} than is there now; "
                    f"train it again with --overwrite {index}")  # fmt: skip
    return chain


def results_beside(path: Path, kind: str) -> list[dict]:
    """The other results of one `kind` in the folder of `path`, by step, of whatever chain.

    Raises:
        ValueError: for a file that is damaged or of another schema.
    """
    return [read(one, version_of(one)) for one in result_files(path.parent).get(kind, []) if one != path]


def one_chain(results: list[dict]) -> list[dict]:
    """The first of `results`, in step order, up to one that continued another network than that before it."""
    for number in range(1, len(results)):
        if not follows(results[number], results[number - 1]):
            return results[:number]
    return results


def follows(result: dict, before: dict) -> bool:
    """Whether the network of `result` may have continued that of `before`, another step's result."""
    pair = before.get("test", {}).get("network"), result.get("test", {}).get("previous")
    return before["step"] != result["step"] - 1 or None in pair or pair[0] == pair[1]


@lru_cache(maxsize=1024)
def read(path: Path, _version: tuple[int, ...]) -> dict:
    """One result file."""
    cure = "delete it, and repeat the run's command, which then tests the step again"
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
