"""The formulas of reported numbers, from a confusion matrix or from those of several steps.

Definitions. M[y, p] = pixels of true class y predicted as p; columns may outnumber rows, see
`ConfusionMatrix`. With d = diagonal, gt = row sums, pr = column sums of the taught classes and e = 1e-6:

    accuracy of a class = d / (gt + e)             IoU of a class = d / (gt + pr - d + e)
    pixel accuracy = sum d / sum M                 frequency-weighted IoU = sum of gt / sum M * IoU
    mIoU, mean accuracy = plain means over the classes that occur in the labels
    mIoU, predicted counts = mean IoU over the classes that occur in the labels or among the predictions

The published systems leave a class without a pixel in the labels out of their means, however often it is
predicted; cityscapesscripts, torchmetrics, ignite and segmentation_models.pytorch count it as 0 (last line).

"Old" are the classes of step 0, "new" those of all later steps. Each mean comes with background and without
it, under different names, since the two differ by points on the same network. Values are in [0, 1], or None
if no class of the group occurs.
"""

# Source: stream_metrics.py of MiB, which PLOP, NeST, RCIL and RevisitingCSS share. The tables of PLOP and
# most later papers count background as an old class; those of MiB and UCD leave it out (../REPRODUCING.md).

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

EPSILON = 1e-6


def class_scores(
    counts: "Tensor", *, absent: str = "skip", accuracy_epsilon: float = EPSILON, iou_epsilon: float = EPSILON
) -> "dict[str, Tensor]":
    """Numbers per class.

    Args:
        counts: (C, K), K >= C: rows true, columns predicted.
        absent: what a class without a pixel in the labels gets. "skip": nan, which every mean leaves out.
            "zero": IoU 0, and 0 in the means.
        accuracy_epsilon: what keeps the denominator of the accuracy from 0.
        iou_epsilon: the same for the IoU.

    Returns:
        "accuracy" and "iou" float64 (C,), "pixels" (true pixels) and "present" (C,).
    """
    # EIR reports absent="zero", accuracy_epsilon=0, iou_epsilon=-1e-6: its denominator subtracts (tp + 1e-6).
    assert absent in ("skip", "zero")
    counts = counts.double()
    num_classes = counts.shape[0]
    hits, pixels = counts.diagonal(), counts.sum(1)
    predicted = counts.sum(0)[:num_classes]
    accuracy = hits / (pixels + accuracy_epsilon)
    iou = hits / (pixels + predicted - hits + iou_epsilon)
    present = pixels > 0
    if absent == "skip":
        accuracy, iou = accuracy.where(present, math.nan), iou.where(present, math.nan)
    return {"accuracy": accuracy, "iou": iou, "pixels": pixels, "present": present}


def group_scores(counts: "Tensor", classes: Sequence[int], **options) -> dict[str, float | None]:
    """Pixel accuracy, mean accuracy, mIoU and frequency-weighted IoU of the rows `classes`.

    `options` are those of `class_scores`. Pixel accuracy is over the pixels whose true class is in the group.
    """
    per_class = class_scores(counts, **options)
    if options.get("absent") == "zero":
        per_class |= {name: per_class[name].nan_to_num(0.0) for name in ("accuracy", "iou")}
    rows = list(classes)
    accuracy, iou, pixels = (per_class[name][rows] for name in ("accuracy", "iou", "pixels"))
    hits = counts.diagonal()[rows].sum().double()
    return {
        "pixel_accuracy": number(hits / pixels.sum()),
        "mean_accuracy": number(accuracy.nanmean()),
        "miou": number(iou.nanmean()),
        "frequency_weighted_iou": number((pixels * iou.nan_to_num(0.0)).sum() / pixels.sum()),
    }


def miou_predicted_counts(counts: "Tensor") -> float | None:  # (C, K)
    """Mean IoU in which a class that is predicted and has no pixel in the labels counts as 0."""
    per_class = class_scores(counts, absent="zero")
    predicted = counts.sum(0)[: counts.shape[0]] > 0
    return number(per_class["iou"][per_class["present"] | predicted].mean())


def harmonic(old: float | None, new: float | None) -> float | None:
    """Harmonic mean; 0 if both are 0, None if either is None."""
    if old is None or new is None:
        return None
    return 2 * old * new / (old + new) if old + new > 0 else 0.0


def average(values: Sequence[float | None]) -> float | None:
    """Mean over the values that are not None; over the mIoU of all steps it is the papers' "avg"."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def forgetting(iou_by_step: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Forgetting of each class: its best IoU after an earlier step, minus that after the last step.

    Negative if the class got better (Chaudhry et al., Riemannian Walk, ECCV 2018, with IoU in place of
    accuracy; where images have one label, of accuracies as there).

    Args:
        iou_by_step: for each step in order, IoU by class; a class is missing until it is learned.

    Returns:
        value by class known before the last step; None for one that never occurred in the labels.
    """
    if not iou_by_step:
        return {}
    *earlier, last = iou_by_step
    lost = {}
    for name, now in last.items():
        if not any(name in step for step in earlier):
            continue
        best = [step[name] for step in earlier if step.get(name) is not None]
        lost[name] = max(best) - now if best and now is not None else None
    return lost


def intransigence(
    joint: Mapping[str, float | None], when_learned: Mapping[str, float | None]
) -> dict[str, float | None]:
    """How much worse each class was learned than by joint training: IoU of `joint` minus IoU when learned.

    Same source as `forgetting`. Both by class name; None where one of the two does not exist.
    """
    values = {name: (joint.get(name), when_learned[name]) for name in when_learned}
    return {name: None if None in pair else pair[0] - pair[1] for name, pair in values.items()}


def trainable_percent(trainable: Sequence[int], finetuning: Sequence[int]) -> float | None:
    """Percentage of the parameters that incremental steps train, as the RevisitingCSS paper counts it.

    The mean of `trainable` over the incremental steps (step 0 left out), divided by the mean of `finetuning`
    over the same steps; None without any. Gives the paper's 0.000271 % (19-1, Swin-B) and 0.033194 % (50-50,
    ResNet-101).
    """
    if not trainable:
        return None
    return 100 * sum(trainable) / sum(finetuning)


def number(value: "Tensor") -> float | None:
    """A plain float for files, None for nan."""
    value = float(value)
    return None if math.isnan(value) else value
