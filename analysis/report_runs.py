"""Result files as runs, rows (runs that differ by their seed alone) and settings (rows that may be compared).

The numbers of a row are means over seeds with the sample standard deviation; those of two settings, which
differ by task, data, backbone, protocol or view, are never put in one column without a mark.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import mean, stdev

from argparser import RUN_ONLY
from metrics.results import over_steps, read_results
from metrics.scores import harmonic, intransigence
from metrics.scores import average as mean_of_known
from utils.flags import DEFAULTS

# What does not change the numbers of a run, beside what only says where its files are.
UNRELATED = RUN_ONLY | {"seed", "recipe", "print_interval", "ckpt_interval", "deterministic", "no_pretrained"}
PATHS = ("pretrained_path", "index_dir")  # of which the last part counts; other folders do not matter
IDENTITY = ("dataset", "task", "setting", "backbone", "protocol", "evaluation")


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


@dataclass(frozen=True)
class Run:
    """The result files of one chain of steps, in order."""

    path: Path
    results: list[dict]

    @property
    def last(self) -> dict:
        """The latest step's."""
        return self.results[-1]

    @property
    def seed(self) -> int | None:
        """Of the latest step."""
        return self.last["config"].get("seed")

    @property
    def complete(self) -> bool:
        """Whether the last step of the task is there."""
        return self.last["step"] == self.last["num_steps"] - 1

    @property
    def has_all_steps(self) -> bool:
        """Whether no step before the last is missing."""
        return [result["step"] for result in self.results] == list(range(self.last["step"] + 1))

    @property
    def is_joint(self) -> bool:
        """Whether all classes were taught at once: what incremental training is measured against."""
        return self.last["num_steps"] == 1

    @property
    def setting(self) -> tuple:
        """What runs must share to be compared."""
        about = self.last | {"backbone": self.last["config"].get("backbone")}
        return tuple(str(about.get(name)) for name in IDENTITY)

    @cached_property
    def config(self) -> dict[str, str]:
        """What the numbers depend on, beside the seed; flags younger than the file have their defaults."""
        config = DEFAULTS | self.last["config"]
        config |= {key: Path(str(config[key])).name for key in PATHS}
        places = {key for key in config if key.endswith(("_dir", "_folder")) and key not in PATHS}
        return {key: shown(value) for key, value in config.items() if key not in UNRELATED | places}

    @cached_property
    def test_labels(self) -> tuple:
        """Classes and their pixels in the test labels: runs with others were tested on other images."""
        return tuple((entry["label"], entry["pixels"]) for entry in self.last["classes"])

    def when_learned(self) -> dict[str, float | None]:
        """IoU of each class after the step that taught it, by name."""
        found = {}
        for result in self.results:
            found |= {e["name"]: e["iou"] for e in result["classes"] if e["step"] == result["step"]}
        return found

    def intransigence(self, joint: Mapping[str, float | None]) -> dict[str, float | None]:
        """Per class that was taught while this run looked; `joint` has the IoU of joint training by name."""
        return intransigence(joint, self.when_learned()) if joint else {}

    def numbers(self, joint: Mapping[str, float | None]) -> dict[str, float | None]:
        """Every number that tables show; shares of 1, seconds, counts. `joint` as for `intransigence`."""
        last, cost = self.last, self.last["cost"]
        scores, over = last["scores"], over_steps(self.results)
        later = [result["cost"] for result in self.results if result["step"] > 0]
        found = {}
        for suffix in ("", "_foreground"):
            found |= {f"{group}{suffix}": scores[f"miou_{group}{suffix}"] for group in ("all", "old", "new")}
            found[f"harmonic{suffix}"] = scores[f"harmonic{suffix}"]
            found[f"average{suffix}"] = over[f"average_miou{suffix}"] if self.has_all_steps else None
        new = {entry["name"] for entry in last["classes"] if entry["step"] > 0}
        resisted = self.intransigence(joint)
        return found | {
            "forgetting": over["mean_forgetting"] if self.has_all_steps else None,
            "intransigence": mean_of_known([value for name, value in resisted.items() if name in new]),
            "seconds": total(later or [cost], "seconds"),
            "seconds_step_0": total([self.results[0]["cost"]], "seconds") if self.has_all_steps else None,
            "images_per_second": cost.get("images_per_second"),
            "trainable": mean_of_known([one.get("trainable_parameters") for one in later or [cost]]),
            "trainable_percent": over["trainable_percent"] if later else None,
            "peak_memory": max((one.get("peak_memory_bytes") or 0 for one in [*later, cost])) or None,
        }


def total(costs: Sequence[Mapping], name: str) -> float | None:
    """Sum, or None if one step did not record it."""
    values = [cost.get(name) for cost in costs]
    return None if None in values else sum(values)


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


def read_runs(words: Sequence[str | Path]) -> list[Run]:
    """All runs in the folders `words`, at any depth; a file stands for its folder.

    Raises:
        FileNotFoundError: if one of them holds no result.
        ValueError: for a damaged file, or one of another schema.
    """
    folders = {}
    for word in words:
        place = Path(word)
        if not place.exists():
            raise FileNotFoundError(f"there is no {place}")
        files = [place] if place.is_file() else place.rglob("step_*.json")
        found = {file.parent.resolve(): file.parent for file in files if file.name.startswith("step_")}
        if not found:
            raise FileNotFoundError(f"{place} holds no step_<k>.json: name results/ or results/<setting>/<run>")
        folders |= found
    return [Run(path, read_results(path)) for _, path in sorted(folders.items())]


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


def shown(value) -> str:
    """A configured value in few letters."""
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def written(run: Run) -> float:
    """When the run's last file was written."""
    return max(path.stat().st_mtime for path in run.path.glob("step_*.json"))


def regroup(run: Run, taught: Mapping[str, int], has_background: bool) -> dict[str, float | None]:
    """Old, new and harmonic mean of joint training, whose own step 0 knows every class.

    Args:
        run: joint training. taught: step of each class of the setting it is compared with, by name.
    """
    found, entries = {}, run.last["classes"]
    for suffix, first in (("", 0), ("_foreground", int(has_background))):
        old = [e["iou"] for e in entries[first:] if taught[e["name"]] == 0]
        new = [e["iou"] for e in entries[first:] if taught[e["name"]] > 0]
        values = {"old": mean_of_known(old), "new": mean_of_known(new)}
        values["harmonic"] = harmonic(values["old"], values["new"])
        found |= {f"{name}{suffix}": value for name, value in values.items()}
    return found
