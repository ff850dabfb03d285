"""The numbers of a run for the terminal: a line per step, and the table over all steps."""

from collections.abc import Mapping, Sequence

from metrics.reported import IMAGES, columns, labels_of, value
from metrics.view import view_of_result

NOTE = "+bg: background counts as an old class; -bg: it is left out of the mean"


def table(results: Sequence[Mapping]) -> str:
    """A plain-text table over the steps, in per cent, with what its numbers count as what."""
    if not results:
        return "no results yet"
    last = results[-1]
    labels = labels_of(last)
    shown = list(columns(last["has_background"], labels))
    rows = [["step", "classes", *(one.head(last["has_background"]) for _, one in shown)]]
    for result in results:
        cells = [one.text(value(result, name)) for name, one in shown]
        rows.append([str(result["step"]), str(len(result["classes"])), *cells])
    title = [last["method"], f"{last['dataset']} {last['task']}", last["setting"],
             f"protocol {last['protocol']}"]  # fmt: skip
    measure = "top-1 accuracy" if labels == IMAGES else "mIoU"
    notes = [f"{measure} in %, {view_of_result(last)} view"] + [NOTE] * last["has_background"]
    share = last["over_steps"]["trainable_percent"]
    if share is not None:
        notes.append(f"trainable in the incremental steps: {significant(share)} % of full fine-tuning")
    calls = sum(result["cost"].get("calls", 1) for result in results)
    if calls > len(results):
        notes.append(f"seconds: of training, over {calls} calls")
    return "\n".join([", ".join(title), *aligned(rows), "; ".join(notes)])


def in_one_line(result: Mapping) -> str:
    """What a step reached and what it took."""
    scores, cost = result["scores"], result["cost"]
    mark = "+bg" if result["has_background"] else ""
    words, kind = ("top-1", "top1_accuracy") if labels_of(result) == IMAGES else ("mIoU", "miou")
    said = f"{result['method']} {result['task']} step {result['step']} of {result['num_steps'] - 1}: {words} "
    parts = [f"old{mark} {percent(scores[f'{kind}_old'])}"]
    if scores[f"{kind}_new"] is not None:
        parts.append(f"new {percent(scores[f'{kind}_new'])}")
    parts.append(f"all{mark} {percent(scores[f'{kind}_all'])} %")
    if result["over_steps"]["mean_forgetting"] is not None:
        parts.append(f"forgetting {percent(result['over_steps']['mean_forgetting'])}")
    if "seconds" in cost:
        over = f" over {cost['calls']} calls" if cost.get("calls", 1) > 1 else ""
        parts.append(f"{count(cost['seconds'])} s of training{over}")
    return said + ", ".join(parts)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table whose columns are as wide as they need and flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def percent(share: float | None) -> str:
    """A share in per cent, "-" if there is none."""
    return "-" if share is None else f"{100 * share:.2f}"


def significant(value: float) -> str:
    """A number with three digits that say something: 100, 12.3, 0.00281."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def count(value: float | None) -> str:
    """A whole number with thousands separated, "-" if there is none."""
    return "-" if value is None else f"{value:,.0f}"
