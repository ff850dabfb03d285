"""Every number that is reported of one evaluation, from its confusion matrix.

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
from collections.abc import Sequence

import torch
from torch import Tensor

from metrics.numbers import harmonic

EPSILON = 1e-6


def class_scores(
    counts: Tensor, *, absent: str = "skip", accuracy_epsilon: float = EPSILON, iou_epsilon: float = EPSILON
) -> dict[str, Tensor]:
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
        accuracy, iou = accuracy.where(present, torch.nan), iou.where(present, torch.nan)
    return {"accuracy": accuracy, "iou": iou, "pixels": pixels, "present": present}


def group_scores(counts: Tensor, classes: Sequence[int], **options) -> dict[str, float | None]:
    """Pixel accuracy, mean accuracy, mIoU and frequency-weighted IoU of the rows `classes`.

    `options` are those of `class_scores`. Pixel accuracy is over the pixels whose true class is in the group.
    """
    per_class = class_scores(counts, **options)
    if options.get("absent") == "zero":
        per_class |= {name: per_class[name].nan_to_num(0.0) for name in ("accuracy", "iou")}
    rows = torch.as_tensor(list(classes), dtype=torch.int64, device=counts.device)
    accuracy, iou, pixels = (per_class[name][rows] for name in ("accuracy", "iou", "pixels"))
    hits = counts.diagonal()[rows].sum().double()
    return {
        "pixel_accuracy": number(hits / pixels.sum()),
        "mean_accuracy": number(accuracy.nanmean()),
        "miou": number(iou.nanmean()),
        "frequency_weighted_iou": number((pixels * iou.nan_to_num(0.0)).sum() / pixels.sum()),
    }


def scores(
    counts: Tensor, *, num_base: int, has_background: bool = True, **options
) -> dict[str, float | None]:
    """Every number of one evaluation, by name.

    Args:
        counts: (C, K) in learning order.
        num_base: classes of step 0, background included.
        has_background: whether class 0 is background.
        options: those of `class_scores`.

    Returns:
        `{pixel_accuracy, mean_accuracy, miou, frequency_weighted_iou}_{all, old, new}`;
        `miou_{all, old, new}_foreground`, background left out (equal to the above for data without
        background, and for the new classes always); `harmonic` and `harmonic_foreground`, the harmonic mean
        of the mIoU of old and new classes; `miou_all_predicted_counts`, as other libraries report it.
    """
    num_classes = counts.shape[0]
    first = int(has_background)
    groups = {"all": range(num_classes), "old": range(num_base), "new": range(num_base, num_classes)}
    found = {}
    for group, classes in groups.items():
        values = group_scores(counts, classes, **options)
        found |= {f"{name}_{group}": value for name, value in values.items()}
    for group, classes in groups.items():
        foreground = [label for label in classes if label >= first]
        found[f"miou_{group}_foreground"] = group_scores(counts, foreground, **options)["miou"]
    for suffix in ("", "_foreground"):
        found[f"harmonic{suffix}"] = harmonic(found[f"miou_old{suffix}"], found[f"miou_new{suffix}"])
    return found | {"miou_all_predicted_counts": miou_predicted_counts(counts)}


def miou_predicted_counts(counts: Tensor) -> float | None:  # (C, K)
    """Mean IoU in which a class that is predicted and has no pixel in the labels counts as 0."""
    per_class = class_scores(counts, absent="zero")
    predicted = counts.sum(0)[: counts.shape[0]] > 0
    return number(per_class["iou"][per_class["present"] | predicted].mean())


def number(value: Tensor) -> float | None:
    """A plain float for files, None for nan."""
    value = float(value)
    return None if math.isnan(value) else value
