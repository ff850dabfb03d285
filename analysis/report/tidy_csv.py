"""The report as tidy CSV: every number in full precision, as shares of 1."""

from collections.abc import Sequence

from analysis.report.published import nearest
from analysis.report.runs import Run
from analysis.report.settings import Setting, joint_iou, suffix


def result_lines(settings: Sequence[Setting]) -> list[dict]:
    """One line per setting, method and number, with mean and deviation over seeds."""
    lines = []
    for setting in settings:
        for row in setting.everyone:
            about = setting.about | {"method": row.label, "joint": row.joint, "complete": row.complete}
            for name in row.numbers[0]:
                if one := row.of(name):
                    best = row.label in setting.best(name)
                    lines.append(about | {"number": name, "mean": one.mean, "std": one.std, "seeds": one.n,
                                          "best": best} | published(setting, row, name))  # fmt: skip
    return lines


def published(setting: Setting, row, name: str) -> dict:
    """The published values in per cent beside a row's mIoU of all classes."""
    empty = {"published": "", "published_convention": "", "off": None, "band": None, "source": ""}
    convention = "X" if name.endswith("_foreground") else "I"
    if row.joint or name != f"all{suffix(convention)}":
        return empty
    share = row.of(name).mean
    cell = nearest(setting.published[row.label], convention, share)
    if cell is None:
        return empty
    return {"published": " ".join(f"{value:g}" for value in cell.every), "published_convention": convention,
            "off": cell.off(share), "band": cell.band, "source": cell.source}  # fmt: skip


def run_lines(settings: Sequence[Setting]) -> list[dict]:
    """One line per run."""
    lines = []
    for setting in settings:
        for row in setting.everyone:
            for run, numbers in zip(row.runs, row.numbers, strict=True):
                about = {
                    "run": str(run.path),
                    "method": row.label,
                    "seed": run.seed,
                    "last_step": run.last["step"],
                }
                versions = {name: run.last["versions"].get(name) for name in ("git", "torch", "device")}
                lines.append(setting.about | about | numbers | versions | {"marks": "; ".join(row.marks)})
    return lines


def class_lines(settings: Sequence[Setting]) -> list[dict]:
    """One line per run, step and class."""
    lines = []
    for setting in settings:
        joint = joint_iou(setting)
        for row in setting.everyone:
            for run in row.runs:
                lines += of_run(run, {} if row.joint else joint, setting.about | {"method": row.label})
    return lines


def of_run(run: Run, joint: dict, about: dict) -> list[dict]:
    """The class lines of one run; intransigence stands at the step that taught the class."""
    resisted, lines = run.intransigence(joint), []
    for result in run.results:
        for entry in result["classes"]:
            own = entry["step"] == result["step"]
            lines.append(about | {
                "seed": run.seed, "step": result["step"], "class": entry["name"], "label": entry["label"],
                "taught": entry["step"], "pixels": entry["pixels"], "iou": entry["iou"],
                "accuracy": entry["accuracy"], "forgetting": entry["forgetting"],
                "intransigence": resisted.get(entry["name"]) if own else None,
            })  # fmt: skip
    return lines
