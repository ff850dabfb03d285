"""Pseudo-labels of PLOP (CVPR 2021, section 3.3): which of the teacher's answers on the background are believed.

A pixel's score is the entropy of the teacher's softmax, averaged (not summed) over the old classes and divided by
ln C_old and ln C, so it never exceeds 1 / (C_old ln C). A class's answers are believed below a threshold: the
median, as the published code computes it, of the scores on the pixels labelled background.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from tasks import BACKGROUND, IGNORE
from utils.distributed import all_reduce_sum


def entropy_scores(logits: Tensor, num_seen: int) -> tuple[Tensor, Tensor]:  # (N, C_old, H, W)
    """The teacher's class, int64, and normalised entropy of every pixel, both (N, H, W); ties go to the lowest class.

    Differs from PLOP: no 1e-8 inside the logarithm, which the log-softmax does not need.
    """
    log_p = logits.log_softmax(1)
    entropy = -(log_p.exp() * log_p).sum(1)
    return logits.argmax(1), entropy / _scale(logits.shape[1], num_seen)


def entropy_scores_of_small(logits_small: Tensor, size: tuple[int, int], num_seen: int) -> tuple[Tensor, Tensor]:
    """`entropy_scores` at `size` (H, W) from logits (N, C_old, h, w), image by image: no map of all images is kept."""
    small = logits_small if logits_small.dtype == torch.float64 else logits_small.float()
    scores = [
        entropy_scores(F.interpolate(one, size=size, mode="bilinear", align_corners=False), num_seen)
        for one in small.split(1)
    ]
    classes, entropies = zip(*scores, strict=True)
    return torch.cat(classes), torch.cat(entropies)


def confidence_scores(logits: Tensor) -> tuple[Tensor, Tensor]:  # (N, C_old, H, W)
    """The teacher's class and its probability (N, H, W): the published mode "median", which no script uses."""
    best, classes = logits.max(1)
    return classes, (best - logits.logsumexp(1)).exp()


def max_entropy(num_seen: int) -> float:
    """ln C, by which PLOP divides an entropy that is normalised already."""
    return math.log(num_seen)


def largest_score(num_old: int, num_seen: int) -> float:
    """Score of a teacher that knows nothing: 1 / (C_old ln C)."""
    return math.log(num_old) / _scale(num_old, num_seen)


def score_histogram(
    classes: Tensor, scores: Tensor, labels: Tensor, *, num_seen: int, num_bins: int = 100, top: float = 1.0
) -> Tensor:  # (N, H, W) each
    """Pixels per class and bin of [0, `top`] among those labelled background: int64 (C, num_bins).

    Scores beyond `top` fall into the last bin.
    """
    bins = (scores / top * num_bins).long().clamp(0, num_bins - 1)
    index = torch.where(labels == BACKGROUND, classes * num_bins + bins, num_seen * num_bins)
    counts = torch.bincount(index.flatten(), minlength=num_seen * num_bins + 1)
    return counts[:-1].view(num_seen, num_bins)


def thresholds_from(
    counts: Tensor, base: float, *, true_median: bool = False, top: float = 1.0
) -> Tensor:  # (C, num_bins) of this process
    """Threshold per class, float32 (C,): the median of the score, but at least `base`.

    The counts of all processes are added up. Differs from PLOP, where each process has thresholds of its own.
    +inf believes every answer, -inf (for a published median that is undefined, 0/0) none.
    """
    counts = all_reduce_sum(counts)
    median = true_median_of if true_median else published_median_of
    medians = torch.tensor([median(row) for row in counts.tolist()], device=counts.device, dtype=torch.float32)
    return torch.where(medians.isnan(), -math.inf, (medians * top).clamp(min=base))


def published_median_of(counts: list[int]) -> float:
    """What PLOP's code takes for the median of a histogram over [0, 1]; 0 for an empty one, may be infinite or NaN.

    While it looks for the bin that holds the middle, it adds up bin numbers instead of counts. So it is right where
    the first bin holds half of the mass, which is the rule on real data, and otherwise answers with the first bin b
    that holds total / 2 - b (b - 1) / 2 or more, or divides by the count of the last bin when there is none.
    """
    half, passed, num_bins = sum(counts) / 2, 0, len(counts)
    if half == 0:
        return 0.0
    number = num_bins - 1
    for candidate, count in enumerate(counts):
        if passed <= half <= passed + count:
            number = candidate
            break
        passed += candidate
    rest, count = half - passed, counts[number]
    share = rest / count if count else math.copysign(math.inf, rest) if rest else math.nan
    return (number + share) / num_bins


def true_median_of(counts: list[int]) -> float:
    """Median of a histogram over [0, 1], interpolated inside its bin; 0 for an empty one."""
    half, passed = sum(counts) / 2, 0
    for number, count in enumerate(counts):
        if count and passed + count >= half:
            return (number + (half - passed) / count) / len(counts)
        passed += count
    return 0.0


def pseudo_labels(
    labels: Tensor, classes: Tensor, scores: Tensor, *, thresholds: Tensor, num_old: int
) -> tuple[Tensor, Tensor]:  # (N, H, W) each, thresholds (C,)
    """Labels in which old and background pixels have the teacher's class, or IGNORE where it is not believed.

    Also returns where the teacher is believed, bool (N, H, W), whatever the label there. Labels of new classes and
    IGNORE stay.
    """
    believed = scores < thresholds[classes]
    answer = torch.where(believed, classes, IGNORE).to(labels.dtype)
    return torch.where(labels < num_old, answer, labels), believed


def adaptive_factor(labels: Tensor, believed: Tensor, *, num_old: int, minimum: float = 0.0) -> Tensor:
    """Share of believed pixels among each image's old and background ones, float32 (N, 1, 1) (PLOP, section 3.3).

    An image without such a pixel has share 0, as published; `minimum` bounds the share from below. `labels` are those
    from before pseudo-labelling, (N, H, W) like `believed`.
    """
    region = labels < num_old
    believed = (believed & region).sum((1, 2), keepdim=True).float()
    return (believed / (region.sum((1, 2), keepdim=True).float() + 1e-6)).clamp(min=minimum)


def _scale(num_old: int, num_seen: int) -> float:
    """What the summed entropy is divided by; positive for a single old class, too."""
    return math.log(num_old + 1e-8) * num_old * max_entropy(num_seen)
