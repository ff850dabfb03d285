"""Rows of the report: runs that differ by their seed alone, as means with the sample standard deviation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean, stdev

from analysis.report.runs import Run, written
from metrics.scores import average as mean_of_known
from metrics.scores import harmonic


@dataclass(frozen=True)
class Stat:
    """Mean and sample standard deviation (None for one value) over seeds."""

    mean: float
    std: float | None
    n: int


def stat(values: Sequence[float | None]) -> Stat | None:
    """Over the values that exist; None if there is none."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return Stat(mean(known), stdev(known) if len(known) > 1 else None, len(known))


@dataclass
class Row:
    """Runs of one method that differ by their seed alone.

    Attributes:
        label: method, and what tells it from other rows of the method. number: of its colour and marker.
        joint: whether it is joint training, which competes with nobody. marks: what readers must know.
        differences: all values in which rows of the method differ.
        numbers: of each run, see `Run.numbers`.
    """

    label: str
    runs: list[Run]
    joint: bool = False
    number: int = 0
    marks: list[str] = field(default_factory=list)
    differences: str = ""
    numbers: list[dict] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every run reached the last step."""
        return all(run.complete for run in self.runs)

    def of(self, name: str) -> Stat | None:
        """Mean and deviation of one number."""
        return stat([numbers[name] for numbers in self.numbers])

    def over_steps(self, value: Callable[[dict], float | None]) -> dict[int, Stat]:
        """`value` of each step's result, by step, where it exists."""
        steps = sorted({result["step"] for run in self.runs for result in run.results})
        found = {step: stat([value(r) for run in self.runs for r in run.results if r["step"] == step])
                 for step in steps}  # fmt: skip
        return {step: one for step, one in found.items() if one}


def make_rows(runs: Sequence[Run]) -> list[Row]:
    """The rows of one setting, in the order of their runs, labelled by what tells them apart."""
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        groups.setdefault((run.last["method"], tuple(sorted(run.config.items()))), []).append(run)
    rows = []
    for (method, _), members in groups.items():
        configs = [dict(config) for other, config in groups if other == method]
        newest = {run.seed: run for run in sorted(members, key=written)}
        row = Row(label(method, members[0].config, configs), list(newest.values()))
        row.differences = differences(members[0].config, configs)
        if len(newest) < len(members):
            row.marks.append(f"{len(members)} runs, {len(newest)} of other seeds: of each the newest counts")
        rows.append(row)
    return rows


def label(method: str, config: Mapping[str, str], configs: Sequence[Mapping[str, str]]) -> str:
    """The method, and as few values as tell `config` from the other `configs` of the method."""
    chosen, others = [], [other for other in configs if other != config]
    while others:
        left = {key: [o for o in others if o.get(key) == value] for key, value in config.items()}
        key = min(left, key=lambda key: len(left[key]))
        if len(left[key]) == len(others):
            break  # they differ in values that this one lacks
        chosen.append(f"{key} {config[key] or 'none'}")
        others = left[key]
    return f"{method} ({', '.join(chosen)})" if chosen else method


def differences(config: Mapping[str, str], configs: Sequence[Mapping[str, str]]) -> str:
    """All values that not all of `configs` share, in words."""
    keys = [key for key in config if len({other.get(key) for other in configs}) > 1]
    return ", ".join(f"{key} {config[key] or 'none'}" for key in keys)


def regroup(run: Run, taught: Mapping[str, int], has_background: bool) -> dict[str, float | None]:
    """Old, new and harmonic mean of joint training, whose own step 0 knows every class.

    Args:
        run: joint training. taught: step of each class of the setting it is compared with, by name.
    """
    found, entries = {}, run.last["classes"]
    for suffix, first in (("", 0), ("_foreground", int(has_background))):
        old = [e for e in entries[first:] if taught[e["name"]] == 0]
        new = [e for e in entries[first:] if taught[e["name"]] > 0]
        values = {"old": score_of(run, old), "new": score_of(run, new)}
        values["harmonic"] = harmonic(values["old"], values["new"])
        found |= {f"{name}{suffix}": value for name, value in values.items()}
    return found


def score_of(run: Run, entries: Sequence[Mapping]) -> float | None:
    """Mean IoU of classes, `entries` of a result file; of images the share that was recognised."""
    if run.kind_of_score == "miou":
        return mean_of_known([entry["iou"] for entry in entries])
    known = [entry for entry in entries if entry["accuracy"] is not None]
    total = sum(entry["pixels"] for entry in known)
    return sum(entry["accuracy"] * entry["pixels"] for entry in known) / total if total else None
