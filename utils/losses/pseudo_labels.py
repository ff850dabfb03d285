"""Pseudo-labels of PLOP (CVPR 2021, section 3.3): which predictions of the teacher are accepted.

A pixel's score is the entropy of the teacher's softmax, averaged (not summed) over the old classes and
divided by ln C_old and ln C, so it never exceeds 1 / (C_old ln C). A prediction is accepted if its score is
below the threshold of its class: the median, as the published code computes it, of the scores on pixels
labelled background.
"""

import math

import torch
from torch import Tensor

from utils.compile import compilable
from utils.distributed import all_reduce_sum
from utils.labels import BACKGROUND, IGNORE
from utils.losses.pixelwise import at_least_float32
from utils.losses.upsampling import bands, exact_products, portion, upsampling_matrix


@compilable
def entropy_scores(logits: Tensor, num_seen: int) -> tuple[Tensor, Tensor]:  # (N, C_old, H, W)
    """The teacher's class (int64, the lowest of equals) and score of every pixel, both (N, H, W).

    Differs from PLOP: no 1e-8 inside the logarithm, because the entropy is computed from log-probabilities.
    """
    largest, classes = logits.max(1)
    below = logits - largest.unsqueeze(1)
    parts = below.exp()
    total = parts.sum(1)
    entropy = total.log() - (parts * below).sum(1) / total  # both terms are positive: nothing cancels
    return classes, entropy / _scale(logits.shape[1], num_seen)


def entropy_scores_of_small(
    logits_small: Tensor, size: tuple[int, int], num_seen: int
) -> tuple[Tensor, Tensor]:  # (N, C_old, h, w)
    """`entropy_scores` after bilinear up-sampling to `size` (H, W), computed in bands of rows."""
    small = at_least_float32(logits_small)
    (_, c, h, w), (height, width) = small.shape, size
    down, across = upsampling_matrix(h, height, small), upsampling_matrix(w, width, small)
    images, rows = portion(c, size, small.device)
    parts = []
    with exact_products():
        for some in small.split(images):
            wide = some @ across.T  # (n, C_old, h, W)
            found = [
                entropy_scores(down[own, read] @ wide[:, :, read], num_seen)
                for own, read in bands(h, height, rows)
            ]
            parts.append([torch.cat(maps, dim=1) for maps in zip(*found, strict=True)])
    classes, scores = (torch.cat(maps) for maps in zip(*parts, strict=True))
    return classes, scores


def confidence_scores(logits: Tensor) -> tuple[Tensor, Tensor]:  # (N, C_old, H, W)
    """The teacher's class and its probability, both (N, H, W): published mode "median", used by no script."""
    best, classes = logits.max(1)
    return classes, (best - logits.logsumexp(1)).exp()


def max_entropy(num_seen: int) -> float:
    """Ln C, by which PLOP divides an entropy that is normalised already."""
    return math.log(num_seen)


def largest_score(num_old: int, num_seen: int) -> float:
    """Score of a uniform softmax: 1 / (C_old ln C)."""
    return math.log(num_old) / _scale(num_old, num_seen)


def score_histogram(
    classes: Tensor, scores: Tensor, labels: Tensor, *, num_seen: int, num_bins: int = 100, top: float = 1.0
) -> Tensor:  # (N, H, W) each
    """Pixels labelled background per class and bin of [0, `top`], int64 (C, num_bins).

    Scores beyond `top` count in the last bin.
    """
    bins = (scores / top * num_bins).long().clamp(0, num_bins - 1)
    index = torch.where(labels == BACKGROUND, classes * num_bins + bins, num_seen * num_bins)
    counts = torch.bincount(index.flatten(), minlength=num_seen * num_bins + 1)
    return counts[:-1].view(num_seen, num_bins)


def thresholds_from(
    counts: Tensor, base: float, *, true_median: bool = False, top: float = 1.0
) -> Tensor:  # (C, num_bins), of this process
    """Threshold per class, float32 (C,): the median of its scores, but at least `base`.

    +inf accepts every prediction; -inf, where the published median is 0/0, accepts none.
    Differs from PLOP: the counts are summed over processes; there, each process has its own thresholds.
    """
    counts = all_reduce_sum(counts)
    median_of = true_median_of if true_median else published_median_of
    medians = torch.tensor([median_of(row) for row in counts.tolist()], device=counts.device)
    return torch.where(medians.isnan(), -math.inf, (medians * top).clamp(min=base))


def published_median_of(counts: list[int]) -> float:
    """The median of a histogram over [0, 1] as PLOP's code computes it: 0 if empty, maybe infinite or NaN.

    In search of the bin that holds the middle it adds up bin numbers instead of counts. So it is right
    if the first bin holds half of the mass, the usual case on real data; else it stops at the first bin b
    with total / 2 - b (b - 1) / 2 or more, and if there is none it divides by the count of the last bin.
    """
    half, passed = sum(counts) / 2, 0
    if half == 0:
        return 0.0
    for number, count in enumerate(counts):
        if passed <= half <= passed + count:
            break
        passed += number
    rest = half - passed
    if count == 0:
        return math.copysign(math.inf, rest) if rest else math.nan
    return (number + rest / count) / len(counts)


def true_median_of(counts: list[int]) -> float:
    """Median of a histogram over [0, 1], interpolated inside its bin; 0 if empty."""
    half, passed = sum(counts) / 2, 0
    for number, count in enumerate(counts):
        if count and passed + count >= half:
            return (number + (half - passed) / count) / len(counts)
        passed += count
    return 0.0


def pseudo_labels(
    labels: Tensor, classes: Tensor, scores: Tensor, *, thresholds: Tensor, num_old: int
) -> tuple[Tensor, Tensor]:  # (N, H, W) each, thresholds (C,)
    """Labels in which old and background pixels have the teacher's class, or IGNORE where it is rejected.

    Labels of new classes and IGNORE stay. Also returns where the teacher's prediction is accepted, bool
    (N, H, W), for pixels of any label.
    """
    believed = scores < thresholds.index_select(0, classes.flatten()).view_as(classes)
    answers = torch.where(believed, classes, IGNORE).to(labels.dtype)
    return torch.where(labels < num_old, answers, labels), believed


def adaptive_factor(
    labels: Tensor, believed: Tensor, *, num_old: int, minimum: float = 0.0, dtype=torch.float32
) -> Tensor:
    """Share of accepted pixels among each image's old and background ones, (N, 1, 1) of type `dtype`.

    `labels` (N, H, W) are those from before pseudo-labelling. An image without any such pixel has share 0, as
    published (PLOP, section 3.3; `classif_adaptive_factor`); `minimum` bounds shares from below.
    """
    region = labels < num_old
    accepted, counted = ((x & region).sum((1, 2), keepdim=True).to(dtype) for x in (believed, region))
    return (accepted / (counted + 1e-6)).clamp(min=minimum)


def _scale(num_old: int, num_seen: int) -> float:
    """Divisor of the summed entropy; nonzero for a single old class, too."""
    return math.log(num_old + 1e-8) * num_old * max_entropy(num_seen)
