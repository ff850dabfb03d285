"""What a step reached, for Python: the numbers of its result file, and where they and the weights are."""

from dataclasses import dataclass, field
from pathlib import Path

from metrics.filed import read_results
from metrics.view import result_files


@dataclass(frozen=True)
class StepResult:
    """The test of one step on all classes seen so far; shares of 1, None where a number does not exist.

    Attributes:
        method, dataset, task, step: what was tested.
        miou, miou_old, miou_new, harmonic: means with background, if there is one, as an old class.
        forgetting: mean over classes of the best earlier IoU minus that now.
        iou: of every class by its name, in learning order.
        scores: every number by name, those without background among them, see `metrics.reported.METRICS`.
        cost: of training: seconds, images_per_second, trainable_parameters, peak_memory_bytes, ...
        checkpoint: file of the weights that were tested. file: the result file, which has more.
    """

    method: str
    dataset: str
    task: str
    step: int
    miou: float | None
    miou_old: float | None
    miou_new: float | None
    harmonic: float | None
    forgetting: float | None
    iou: dict[str, float | None] = field(repr=False)
    scores: dict[str, float | None] = field(repr=False)
    cost: dict[str, float] = field(repr=False)
    checkpoint: Path = field(repr=False)
    file: Path = field(repr=False)


def step_results(folder: Path | str, kind: str, checkpoints: dict[int, Path]) -> list[StepResult]:
    """The results in `folder`, of one `kind` of test, of the steps that `checkpoints` names the files of.

    Raises:
        ValueError: for a file that is damaged or of another schema.
    """
    files = result_files(folder).get(kind, [])
    return [
        StepResult(
            method=result["method"], dataset=result["dataset"], task=result["task"], step=result["step"],
            miou=result["scores"]["miou_all"], miou_old=result["scores"]["miou_old"],
            miou_new=result["scores"]["miou_new"], harmonic=result["scores"]["harmonic"],
            forgetting=result["over_steps"]["mean_forgetting"],
            iou={entry["name"]: entry["iou"] for entry in result["classes"]},
            scores=result["scores"], cost=result["cost"],
            checkpoint=checkpoints[result["step"]], file=file,
        )
        for file, result in zip(files, read_results(folder, kind), strict=False)  # those after a broken chain
        if result["step"] in checkpoints
    ]  # fmt: skip
