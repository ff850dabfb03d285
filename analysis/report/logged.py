"""What a run's log adds to its result files: curves of the losses, and sample predictions."""

import base64
import io
from pathlib import Path

from PIL import Image

from analysis.report.curves import Series, lines
from analysis.report.runs import Run
from experiment.events import read_events

POINTS = 40  # of a curve, at most
WIDTH = 640  # of a sample picture in pixels, at most


def log_folder(run: Run) -> Path | None:
    """The TensorBoard folder of the run, where its configuration says or beside its results; None without."""
    logs, (setting, name) = Path(run.last["config"].get("logdir") or "logs"), run.path.resolve().parts[-2:]
    beside = run.path.resolve().parent.parent.parent / logs.name
    return next((root / setting / name for root in (logs, beside) if (root / setting / name).is_dir()), None)


def loss_curves(run: Run) -> str:
    """Mean of every loss term in every epoch, the steps one after another, as a chart; "" without a log."""
    folder = log_folder(run)
    terms: dict[str, list[dict[int, float]]] = {}  # by step
    lengths = []
    for result in run.results if folder else []:
        found: dict[str, dict[int, float]] = {}
        for name, epoch, value in read_events(folder / f"step_{result['step']}"):
            kind, _, term = name.partition("/")
            if kind == "epoch_loss":
                found.setdefault(term, {})[epoch] = value  # an epoch that came again counts as it was last
        for term, values in found.items():
            terms.setdefault(term, [{} for _ in lengths]).append(values)
        lengths.append(max((max(values) + 1 for values in found.values()), default=0))
        for values in terms.values():
            values += [{}] * (len(lengths) - len(values))
    if not sum(lengths):
        return ""
    starts = [sum(lengths[:number]) for number in range(len(lengths))]
    series = [
        Series(term, number, thinned([(start + epoch, values[epoch], None) for epoch in sorted(values)]))
        for number, (term, by_step) in enumerate(sorted(terms.items()))
        for start, values in zip(starts, by_step, strict=True)
        if values
    ]
    epochs = [str(epoch + 1) for length in lengths for epoch in range(length)]
    names = ", ".join(f"{term} ({'●■◆▲▼✚✖'[number % 7]})" for number, term in enumerate(sorted(terms)))
    return lines(series, title=f"losses of {run.path.name}", x_ticks=epochs, y_label="mean loss of an epoch",
                 x_label=f"epoch of each step: {names}")  # fmt: skip


def thinned(points: list) -> list:
    """At most `POINTS` of the points, the last among them."""
    every = -(-len(points) // POINTS)
    return points[::-1][::every][::-1]


def samples(run: Run) -> str:
    """Some test images with truth and prediction after the last step, as a data URI; "" without a log."""
    folder = log_folder(run)
    if folder is None:
        return ""
    found = [value for name, _, value in read_events(folder / f"step_{run.last['step']}")
             if name == "test/samples"]  # fmt: skip
    if not found:
        return ""
    with Image.open(io.BytesIO(found[-1])) as picture:
        picture = picture.convert("RGB")
        picture.thumbnail((WIDTH, 4 * WIDTH))
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
