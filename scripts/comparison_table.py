"""Runs beside each other as a table: means over seeds, their spread, and differences at equal seeds."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev

from scipy.stats import ttest_1samp

from analysis.report.runs import further
from metrics.reported import SHARE, measures, value
from metrics.scores import average

JOINT = "joint"
COLUMNS = ("all+bg", "old+bg", "new", "forgetting", "s / step", "peak MB")
CONFIDENCE = 0.95

Runs = Mapping[str, Sequence[list[dict]]]  # results of every step, of every seed that has finished, by row


def numbers(results: list[dict], taught: dict[int, int]) -> list[float | None]:
    """The values of COLUMNS for one run; `taught` says at which step a class (by label) is taught in the
    task, and is empty while nobody knows.

    mIoU in % after the last step, background, if there is one, among the old classes; where images have one
    label, the mean over classes of the share recognised (top-1 accuracy, if all have as many test images).
    Forgetting is the mean over classes of the best earlier value minus the last, None after one step; seconds
    are the mean over the incremental steps; peak memory of the whole run. Behind them the `further` metrics
    after the last step.
    """
    last = results[-1]
    _, measure = measures(last)
    known = {entry["label"]: entry[measure] for entry in last["classes"]}
    old, new = ([k for k in known if k in taught and (taught[k] > 0) == later] for later in (False, True))
    shares = [average([known[label] for label in group]) for group in (known, old, new)]
    shares.append(last["over_steps"]["mean_forgetting"])
    seconds = mean(result["cost"]["seconds"] for result in results[1:] or results)
    peak = max(result["cost"]["peak_memory_bytes"] for result in results)
    found = [*map(percent, shares), seconds, peak / 1e6]
    for name, metric in further().items():
        one = value(last, name)
        found.append(percent(one) if metric.unit == SHARE else one)
    return found


def percent(share: float | None) -> float | None:
    """A share of 1 in per cent."""
    return None if share is None else 100 * share


def table(runs: Runs) -> str:
    """Rows of `runs` by numbers (+bg: background counts): mean over seeds and, of several, standard
    deviation; "-" where there is none.
    """
    example = next((seeds[0][-1] for name, seeds in runs.items() if name != JOINT), None)
    taught = {entry["label"]: entry["step"] for entry in example["classes"]} if example else {}
    last = next(iter(runs.values()))[0][-1]
    heads = [head if last["has_background"] else head.removesuffix("+bg") for head in COLUMNS]
    heads += [one.column for one in further().values()]
    rows = [["method", *heads], ["---"] * (1 + len(heads))]
    for name, seeds in runs.items():
        cells = zip(*(numbers(results, taught) for results in seeds), strict=True)
        rows.append([name, *map(spread, cells)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def spread(values: Sequence[float | None], digits: int = 1) -> str:
    """Mean and, of several values, standard deviation (of the sample); "-" if one does not exist."""
    if None in values:
        return "-"
    around = f" +- {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{around}"


def differences(runs: Runs) -> str:
    """How far each row of `runs` is from the first in mIoU of all classes, seed by seed: mean and interval.

    Pairs of equal seeds share weights, order and augmentation, so their difference varies less than the rows
    do. The interval is Student's over the seeds: it holds the true mean difference with 95 % probability if
    differences are normal. "" without two seeds that both rows have.
    """
    (first, reference), *others = ((name, by_seed(seeds)) for name, seeds in runs.items())
    lines = []
    for name, scores in others:
        seeds = sorted(scores.keys() & reference.keys())
        if len(seeds) > 1:
            apart = [scores[seed] - reference[seed] for seed in seeds]
            lines.append(f"| {name} - {first} | {mean(apart):+.1f} | {interval(apart)} | {len(seeds)} |")
    if not lines:
        return ""
    head = "| all classes, same seeds | difference | 95 % interval | seeds |"
    return "\n".join([head, "| --- | --- | --- | --- |", *lines])


def by_seed(seeds: Sequence[list[dict]]) -> dict[int, float]:
    """What counts over all classes after the last step (mIoU, or top-1 accuracy), in %, by the run's seed."""
    last = [results[-1] for results in seeds]
    reached = {one["config"]["seed"]: value(one, measures(one)[0]) for one in last}
    return {seed: percent(one) for seed, one in reached.items() if one is not None}


def interval(values: Sequence[float]) -> str:
    """Student's 95 % interval of the mean of at least two values."""
    if len(set(values)) == 1:  # no spread, of which the test would warn
        return f"{values[0]:+.1f} to {values[0]:+.1f}"
    found = ttest_1samp(values, 0.0).confidence_interval(CONFIDENCE)
    return f"{found.low:+.1f} to {found.high:+.1f}"
