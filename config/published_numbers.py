"""Results compared with the published ones: the difference, whether it is usual, and possible reasons."""

from collections.abc import Mapping, Sequence

from config.published import CONVENTIONS
from config.recipes import Row
from dataset import DATASETS

# Published values of the same cell differ by this much (mIoU in per cent, mean of three seeds).
TEN_ONE, TWO_STEPS, OTHERS = 4.0, 1.0, 2.5


def band(row: Row, num_steps: int) -> float:
    """Usual distance of a reproduction from the nearest published mIoU, in per cent."""
    if row.task == "10-1":
        return TEN_ONE
    return TWO_STEPS if num_steps == 2 and row.dataset == "voc" else OTHERS


def compare(results: Sequence[Mapping], row: Row, values: Mapping[str, object]) -> str:
    """`results` (of the steps so far) beside the published numbers of `row`; "" if it has none.

    Args:
        results: JSON of each step, see `metrics.results`.
        row: the recipe.
        values: the resolved flags and hyper-parameters of the run.
    """
    lines, reasons = [], []
    if "step0" in row.published and results[0]["step"] == 0:
        want, tolerance = row.published["step0"]
        here = 100 * (results[0]["scores"]["miou_all"] or 0.0)
        inside = abs(here - want) <= tolerance
        lines.append(f"  step 0: {here:.2f} ({want:.2f} +- {tolerance:g}), {verdict(inside)} the usual range")
        reasons += [] if inside else ["step 0, which later steps build on, is off already"]
    if "all" in row.published and results[-1]["step"] == results[-1]["num_steps"] - 1:
        lines.append(final(results[-1], row))
    if not lines:
        return ""
    about = [row.system]
    if "source" in row.published:
        about += [str(row.published["source"]), CONVENTIONS[row.published["convention"]]]
    reasons += why(results, row, values)
    head = f"compared with recipe {row.name} ({'; '.join(about)}), here (published):"
    return "\n".join([head, *lines, "  why you may differ: " + "; ".join(reasons)])


def final(result: Mapping, row: Row) -> str:
    """The line of the last step."""
    published, left_out = row.published, row.published["convention"] in ("X", "N")
    suffix, mark = ("_foreground", "-bg") if left_out else ("", "+bg")
    marks = dict.fromkeys(("old", "all", "avg"), mark)  # no background among the new classes
    scores, over = result["scores"], result["over_steps"]
    here = {
        "old": scores[f"miou_old{suffix}"],
        "new": scores["miou_new"],
        "all": scores[f"miou_all{suffix}"],
        "avg": over[f"average_miou{suffix}"],
    }
    known = [name for name in here if name in published]
    parts = [f"{name}{marks.get(name, '')} {percent(here[name])} ({published[name]})" for name in known]
    targets = [published["all"], *published.get("also", [])]
    off = min((100 * (here["all"] or 0.0) - target for target in targets), key=abs)
    width = band(row, result["num_steps"])
    inside = verdict(abs(off) <= width)
    return f"  {', '.join(parts)}: all is {off:+.2f} from the nearest published value, {inside} +- {width:g}"


def verdict(inside: bool) -> str:
    """"inside" or "outside", for the report's sentence."""
    return "inside" if inside else "OUTSIDE"


def percent(share: float | None) -> str:
    """A share in per cent."""
    return "-" if share is None else f"{100 * share:.2f}"


def why(results: Sequence[Mapping], row: Row, values: Mapping[str, object]) -> list[str]:
    """What this run does differently from the published one, as far as files and flags tell."""
    wanted = {name: value for name, value in row.values.items() if name in values}
    pairs = {name: (shown(values[name]), shown(value)) for name, value in wanted.items()}
    reasons = [f"{name} {ours}, not {theirs}" for name, (ours, theirs) in pairs.items() if ours != theirs]
    expected, last = getattr(DATASETS[row.dataset], "expected", {}).get("val", 0), results[-1]
    if last["step"] == last["num_steps"] - 1 and last["images"] < 0.99 * expected:
        reasons.append(f"tested on {last['images']:,} images, and there are {expected:,}")
    if values["no_pretrained"] or not values["pretrained_path"]:
        reasons.append("the backbone started from random weights")
    if not values["index_dir"] and row.dataset == "ade" and row.setting == "disjoint":
        reasons.append("the published image lists do not follow the disjoint rule (--index_dir takes them)")
    if row.gpus > 1 and row.system in ("MiB", "PLOP"):
        reasons.append(f"batch statistics are over the whole batch; there maybe over one of {row.gpus} GPUs")
    if row.dataset == "cityscapes_domain" and not values.get("leaky_split"):
        reasons.append("no test image was trained on; with --leaky_split some are, as published")
    if wanted.get("precision") == "fp16" == values["precision"]:
        reasons.append("native fp16 instead of apex O1")
    return [*reasons, f"one seed ({values['seed']}), where the band is for the mean of three"]


def shown(value) -> str:
    """A value as both recipes and flags print it."""
    if isinstance(value, list | tuple):
        values = [shown(one) for one in value]
        while len(values) > 1 and values[-1] == values[-2]:  # the last value stands for all that follow
            values.pop()
        return " ".join(values)
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
