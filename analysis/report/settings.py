"""Settings: the rows that may be compared, joint training beside them, and marks where they are unlike."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from analysis.report.published import Published, published_values
from analysis.report.rows import Row, Stat, make_rows, regroup, stat
from analysis.report.runs import IDENTITY, Run, lower_is_better
from task_tables import ALIASES

CONVENTIONS = {
    "I": "background counts as an old class",
    "X": "background is left out of every mean",
    "N": "the classes have no background",
}
OTHER_LABELS = "tested on other labels than most runs here"


@dataclass
class Setting:
    """Rows of one task, data set, backbone, protocol and view.

    Attributes:
        about: value of each of `IDENTITY`. rows: best first; joint: what they are measured against.
        title, detail: in words. key: for file names and links.
    """

    about: dict[str, str]
    rows: list[Row]
    joint: list[Row]

    @property
    def key(self) -> str:
        """A name for links."""
        return "-".join(self.about.values()).replace(" ", "_").replace("/", "_")

    @property
    def title(self) -> str:
        """Data set, task and setting."""
        dataset, task = self.about["dataset"], self.about["task"]
        names = [name for name, published in ALIASES.get(dataset, {}).items() if published == task]
        return f"{dataset} {task}{f' ({names[0]})' if names else ''} {self.about['setting']}"

    @property
    def detail(self) -> str:
        """Backbone, protocol and view."""
        return "{backbone}, protocol {protocol}, {evaluation} view".format(**self.about)

    @property
    def everyone(self) -> list[Row]:
        """Rows, and joint training after them."""
        return [*self.rows, *self.joint]

    @property
    def longest(self) -> Run:
        """The run that got farthest."""
        return max((run for row in self.rows for run in row.runs), key=lambda run: run.last["step"])

    @property
    def num_steps(self) -> int:
        """Steps of the task."""
        return self.longest.last["num_steps"]

    @property
    def measure(self) -> str:
        """What its scores are, in words."""
        return "mIoU" if self.longest.kind_of_score == "miou" else "top-1 accuracy"

    @property
    def conventions(self) -> list[str]:
        """Those in which the results have numbers, the first one for the charts."""
        last = self.longest.last
        if not last["has_background"]:
            return ["N"]
        return ["X"] if last["classes"][0]["iou"] is None else ["I", "X"]

    @cached_property
    def published(self) -> dict[str, list[Published]]:
        """What was published for each row, by label."""
        found = {}
        for row in self.rows:
            own = {"method": row.runs[0].last["method"], "head": row.runs[0].config["head"]}
            found[row.label] = published_values(self.about | own, self.num_steps)
        return found

    def best(self, name: str) -> set[str]:
        """Labels of the rows whose mean of a number is ahead of every other row by more than the spread.

        The spread is the deviation of the difference of two means over seeds, as far as it is known: one seed
        has none.
        """
        found = {row.label: row.of(name) for row in self.rows if row.complete and not unlike(row)}
        rivals = {label: one for label, one in found.items() if one}
        sign = -1 if name in lower_is_better() else 1
        top = max((round(sign * one.mean, 3) for one in rivals.values()), default=0.0)
        first = {label: one for label, one in rivals.items() if round(sign * one.mean, 3) == top}
        others = [one for label, one in rivals.items() if label not in first]
        ahead = all(sign * (one.mean - other.mean) > spread(one, other)
                    for one in first.values() for other in others)  # fmt: skip
        return set(first) if others and ahead else set()


def spread(one: Stat, other: Stat) -> float:
    """Deviation of the difference of two means over seeds; what is not known counts as 0."""
    return math.hypot(one.std or 0.0, other.std or 0.0)


def named(head: str, convention: str) -> str:
    """A column's name that says whether background counts: old+bg, old-bg; new classes hold none."""
    return head + {"I": "+bg", "X": "-bg"}.get(convention, "") * (head != "new")


def suffix(convention: str) -> str:
    """Of the names of numbers in that convention."""
    return "_foreground" if convention == "X" else ""


def unlike(row: Row) -> bool:
    """Whether the row was tested on other labels than most."""
    return any(mark.startswith(OTHER_LABELS) for mark in row.marks)


def make_settings(runs: Sequence[Run]) -> list[Setting]:
    """All settings in `runs`, with joint training put where it belongs."""
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.setting, []).append(run)
    joint = {key: members for key, members in groups.items() if members[0].is_joint}
    settings, used = [], set()
    for key in sorted(groups.keys() - joint.keys()):
        about = dict(zip(IDENTITY, key, strict=True))
        fitting = {other for other in joint if comparable(about, joint[other], groups[key])}
        used |= fitting
        reference = [run for other in sorted(fitting) for run in joint[other]]
        settings.append(fill(Setting(about, make_rows(groups[key]), make_rows(reference))))
    for key in sorted(joint.keys() - used):
        settings.append(fill(Setting(dict(zip(IDENTITY, key, strict=True)), make_rows(joint[key]), [])))
    numbers = list(dict.fromkeys(row.label for setting in settings for row in setting.rows))
    for setting in settings:
        for row in setting.rows:
            row.number = numbers.index(row.label)
    return settings


def comparable(about: dict[str, str], joint: Sequence[Run], runs: Sequence[Run]) -> bool:
    """Whether joint training knew the same classes of the same data, and was tested alike."""
    other = dict(zip(IDENTITY, joint[0].setting, strict=True))
    names = {entry["name"] for entry in max(runs, key=lambda run: run.last["step"]).last["classes"]}
    alike = all(about[key] == other[key] for key in ("dataset", "backbone", "protocol", "evaluation"))
    return alike and names == {entry["name"] for entry in joint[0].last["classes"]}


def fill(setting: Setting) -> Setting:
    """Numbers and marks of every row; rows best first."""
    last = setting.longest.last
    taught = {entry["name"]: entry["step"] for entry in last["classes"]}
    for row in setting.joint:
        row.joint = True
        row.label = f"joint training{row.label.removeprefix(row.runs[0].last['method'])}"
        row.numbers = [run.numbers({}) | regroup(run, taught, last["has_background"]) for run in row.runs]
        for numbers in row.numbers:
            numbers |= {"forgetting": None, "average": None, "average_foreground": None}
    by_mean(setting.joint, setting)
    reference = joint_iou(setting)
    for row in setting.rows:
        row.numbers = [run.numbers(reference) for run in row.runs]
    by_mean(setting.rows, setting)
    common = Counter(run.test_labels for row in setting.rows for run in row.runs if run.complete)
    for row in setting.everyone:
        row.marks += marks(row, common.most_common(1)[0][0] if common else ())
    return setting


def by_mean(rows: list[Row], setting: Setting) -> None:
    """Sort: finished rows first, then by mIoU of all classes."""
    name = f"all{suffix(setting.conventions[0])}"
    rows.sort(key=lambda row: (not row.complete, -(row.of(name) or Stat(-1, None, 0)).mean))


def joint_iou(setting: Setting) -> dict[str, float | None]:
    """IoU of each class under the best joint training, mean over its seeds; {} without any."""
    if not setting.joint:
        return {}
    found: dict[str, list] = {}
    for run in setting.joint[0].runs:
        for entry in run.last["classes"]:
            found.setdefault(entry["name"], []).append(entry["iou"])
    means = {name: stat(values) for name, values in found.items()}
    return {name: one.mean if one else None for name, one in means.items()}


def marks(row: Row, common: tuple) -> list[str]:
    """What readers of the row's numbers must know. `common`: test labels of most runs."""
    found = []
    for run in row.runs:
        last = run.last
        if not run.complete:
            found.append(f"after step {last['step']} of {last['num_steps'] - 1}")
        if not run.has_all_steps:
            found.append("earlier steps are missing, and so are average and forgetting")
        if run.complete and common and set(run.test_labels) != set(common):
            found.append(f"{OTHER_LABELS} ({last['images']:,} images)")
        if skipped := len(last.get("skipped", [])):
            found.append(f"{skipped} bad images were left out")
        found += [f"changed between steps: {change}" for r in run.results for change in r.get("drift", [])]
    return list(dict.fromkeys(found))
