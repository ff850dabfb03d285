"""Result files as runs: the numbers of one chain of steps, and what they depend on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from config.flags import DEFAULTS, flag_names
from metrics.filed import over_steps, read_results
from metrics.reported import IMAGES, METRICS, Metric, labels_of, value
from metrics.scores import average as mean_of_known
from metrics.scores import harmonic, intransigence
from metrics.view import result_files, view_of_result

# What rows are not told apart by: they average over seeds, and --no_pretrained shows in the path.
UNRELATED = flag_names("place", "call", "rounding") | {"seed", "no_pretrained"}
PATHS = ("pretrained_path", "index_dir")  # of which the last part counts; other folders do not matter
GROUPS = ("all", "old", "new")
# Metrics for which tables and figures have a place of their own, by the name that they have there.
PLACES = {
    **{f"{group}{end}": f"miou_{group}{end}" for group in GROUPS for end in ("", "_foreground")},
    **{"harmonic": "harmonic", "average": "average_miou", "forgetting": "mean_forgetting"},
    **{"seconds": "seconds", "trainable": "trainable_parameters"},
}
IDENTITY = ("dataset", "task", "setting", "backbone", "protocol", "evaluation")


@dataclass(frozen=True)
class Run:
    """The result files of one chain of steps, in order; `kind` of test as in their names, "" is the usual."""

    path: Path
    results: list[dict]
    kind: str = ""

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
        about["evaluation"] = view_of_result(self.last)
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

    @property
    def kind_of_score(self) -> str:
        """What a group's name follows in the names of scores: "miou", or "top1_accuracy" of images."""
        return "top1_accuracy" if labels_of(self.last) == IMAGES else "miou"

    def when_learned(self) -> dict[str, float | None]:
        """IoU (of images: accuracy) of each class after the step that taught it, by name."""
        single, found = "iou" if self.kind_of_score == "miou" else "accuracy", {}
        for result in self.results:
            found |= {e["name"]: e[single] for e in result["classes"] if e["step"] == result["step"]}
        return found

    def intransigence(self, joint: Mapping[str, float | None]) -> dict[str, float | None]:
        """Per class that was taught while this run looked; `joint` has the IoU of joint training by name."""
        return intransigence(joint, self.when_learned()) if joint else {}

    def numbers(self, joint: Mapping[str, float | None]) -> dict[str, float | None]:
        """Every number that tables show; shares of 1, seconds, counts. `joint` as for `intransigence`."""
        last, cost = self.last, self.last["cost"]
        scores, over = last["scores"], over_steps(self.results)
        later = [result["cost"] for result in self.results if result["step"] > 0]
        found, kind = {}, self.kind_of_score
        average = "average_miou" if kind == "miou" else "average_incremental_accuracy"
        for suffix in ("", "_foreground"):  # images have no background
            found |= {f"{group}{suffix}": scores.get(f"{kind}_{group}{suffix}") for group in GROUPS}
            found[f"harmonic{suffix}"] = harmonic(found[f"old{suffix}"], found[f"new{suffix}"])
            found[f"average{suffix}"] = over.get(f"{average}{suffix}") if self.has_all_steps else None
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
            "peak_memory": max(one.get("peak_memory_bytes") or 0 for one in [*later, cost]) or None,
        } | {name: value(last, name) for name in further()}


def further() -> dict[str, Metric]:
    """Metrics that tables show, and have no place of their own for; those of images take that of masks."""
    own = {name for name, one in METRICS.items() if one.labels == IMAGES} | set(PLACES.values())
    return {name: one for name, one in METRICS.items() if one.column and name not in own}


def lower_is_better() -> set[str]:
    """Numbers of tables that are the better the lower they are."""
    own = {name: METRICS[metric] for name, metric in PLACES.items()} | further()
    return {name for name, one in own.items() if not one.higher_is_better} | {"intransigence"}


def total(costs: Sequence[Mapping], name: str) -> float | None:
    """Sum, or None if one step did not record it."""
    values = [cost.get(name) for cost in costs]
    return None if None in values else sum(values)


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
            raise FileNotFoundError(
                f"{place} holds no step_<k>.json: name results/ or results/<setting>/<run>"
            )
        folders |= found
    found = [path for _, path in sorted(folders.items())]
    return [Run(path, read_results(path, kind), kind) for path in found for kind in result_files(path)]


def shown(value) -> str:
    """A configured value in few letters."""
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def written(run: Run) -> float:
    """When the run's last file was written."""
    return max(path.stat().st_mtime for path in run.path.glob("step_*.json"))
