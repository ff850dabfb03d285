"""Entries of the leaderboard: published numbers and own runs, in one form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from analysis.report.rows import Row, Stat
from analysis.report.runs import read_runs
from analysis.report.settings import Setting, make_settings, suffix
from config.published import EVIDENCE, JOINT, UNKNOWN, Number, Published, harmonic_mean, read_published
from task_tables import ALIASES

# Own tests that look as those of a published family do: protocol and view.
OWN_EVALUATIONS = {("plop", "crop 512"): "PLOP", ("mib", "crop 512"): "MiB"}
# By backbone, for its published file, and by what the names of files have in them, see pretrained/README.md.
OWN_PRETRAINING = {
    "resnet101_iabn": "ImageNet-1K (in-place ABN)",
    "resnet101-": "ImageNet-1K (torchvision)",
    "swin_base_patch4_window12_384": "ImageNet-1K (Swin)",
    "resnet101": "ImageNet-1K (in-place ABN)",
    "swin_b": "ImageNet-1K (Swin)",
}
OWN_EVIDENCE = "own run"
USUAL_HEAD = "deeplab"  # of published numbers, and of results that name none


@dataclass(frozen=True)
class Entry(Number):
    """One line of the leaderboard.

    Attributes:
        std: deviations over seeds of own runs, by the names of the scores. command: what runs it.
        hiou_computed: whether hiou was not published, but is that of the published old and new.
        own: whether it is an own run; then the folder is the source. joint: whether it is joint training,
            which competes with nobody.
    """

    std: Mapping[str, float]
    command: str
    hiou_computed: bool = False
    own: bool = False
    joint: bool = False


def published_entries() -> list[Entry]:
    """Every published number, in file order."""
    return [published_entry(one) for one in read_published()]


def published_entry(one: Published) -> Entry:
    """One published number; a harmonic mean that was not published is that of old and new."""
    shared = {field.name: getattr(one, field.name) for field in fields(Number)}
    mean = harmonic_mean(one)
    command = f"bash scripts/{one.recipe[0]}.sh" if one.recipe else ""
    computed = {"hiou": None if mean is None else round(mean, 2), "std": {}, "command": command}
    return Entry(**shared | computed, joint=one.method == JOINT,
                 hiou_computed=one.hiou is None and mean is not None)  # fmt: skip


def own_entries(results: Sequence[str]) -> tuple[list[Entry], int]:
    """Runs in the folders `results` that reached the last step, and how many did not.

    Raises:
        FileNotFoundError, ValueError: as `analysis.report.runs.read_runs`.
    """
    made, unfinished = [], 0
    for setting in make_settings(read_runs(results)):
        for row in setting.everyone:
            if row.complete:
                made += [own_entry(setting, row, convention) for convention in setting.conventions]
            else:
                unfinished += len(row.runs)
    return made, unfinished


def own_entry(setting: Setting, row: Row, convention: str) -> Entry:
    """The mean over seeds of runs that differ by nothing else."""
    about, last = setting.about, row.runs[0].last
    config, ending = last["config"], suffix(convention)
    names = {"old": "old", "new": "new", "all": "all", "hiou": "harmonic", "avg": "average"}
    stats = {name: row.of(f"{group}{ending}") for name, group in names.items()}
    scores = {name: share(one) for name, one in stats.items()}
    seeds = len(row.runs)
    note = "; ".join([f"mean of {seeds} seeds" if seeds > 1 else f"seed {row.runs[0].seed}", *row.marks])
    return Entry(
        method=JOINT if row.joint or row.runs[0].is_joint else row.label, year=0, dataset=about["dataset"],
        task=published_task(about["dataset"], about["task"]), setting=about["setting"],
        backbone=network(about["backbone"], config), pretraining=pretraining(config),
        memory=str(config.get("mem_size", 0)),
        evaluation=evaluation(about), convention=convention, **scores,
        std={name: round(100 * one.std, 2) for name, one in stats.items() if one and one.std is not None},
        evidence=OWN_EVIDENCE, source="/".join(row.runs[0].path.parts[-2:]), note=note, command="", own=True,
        joint=row.joint or row.runs[0].is_joint,
    )  # fmt: skip


def share(one: Stat | None) -> float | None:
    """A mean in per cent with two digits, as tables have them."""
    return None if one is None else round(100 * one.mean, 2)


def published_task(dataset: str, task: str) -> str:
    """The name under which a task has published numbers (15-1 for 15-5s), else its own."""
    known = {one.task for one in read_published() if one.dataset == dataset}
    names = (name for name, same in ALIASES.get(dataset, {}).items() if same == task and name in known)
    return task if task in known else next(names, task)


def network(backbone: str, config: Mapping) -> str:
    """The backbone as published numbers name it: on the mask head Mask2Former's; others are said."""
    head = config.get("head") or USUAL_HEAD
    if head == "mask":
        return f"mask2former:{backbone.removeprefix('timm:')}"
    return backbone if head == USUAL_HEAD else f"{backbone}, {head} head"


def evaluation(about: Mapping[str, str]) -> str:
    """The published family that looks as an own test did, else its view and protocol."""
    key = about["protocol"], about["evaluation"]
    return OWN_EVALUATIONS.get(key, f"{about['evaluation']}, protocol {about['protocol']}")


def pretraining(config: Mapping[str, object]) -> str:
    """What step 0 started from: as published numbers call it, else the name of the file of weights."""
    if config.get("no_pretrained"):
        return "random weights"
    path = str(config.get("pretrained_path") or "")
    if path == "auto":  # the published file, where there is one
        return OWN_PRETRAINING.get(str(config.get("backbone")), UNKNOWN)
    name = Path(path).name
    return next((words for start, words in OWN_PRETRAINING.items() if start in name), name or UNKNOWN)


def evidence_words() -> dict[str, str]:
    """What each kind of evidence means."""
    return {**EVIDENCE, OWN_EVIDENCE: "measured by this program, from the result files that were named"}
