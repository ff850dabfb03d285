"""BARM's losses: who may teach the newest branch, and what its correction of the background should be.

Branch logits as in `modules.residual_branches.unified`; cells are those of the head (N, h, w).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from utils.distributed import all_reduce_sum, world_size
from utils.losses.pixelwise import (
    binary_cross_entropy,
    sigmoid_pseudo_labels,
    soft_binary_cross_entropy,
    softplus,
)


def newest_alone(logits: Tensor, num_old: int) -> Tensor:  # (N, C, h, w)
    """`logits` in which the old classes, background apart, are constants to autograd."""
    background, old, new = logits.split([1, num_old - 1, logits.shape[1] - num_old], dim=1)
    return torch.cat([background, old.detach(), new], dim=1)


def relabelled_bce(logits: Tensor, old_logits: Tensor, labels: Tensor, *, threshold: float) -> Tensor:
    """Binary cross entropy of every class (N, H, W), with the teacher's sure answers on the background."""
    return binary_cross_entropy(logits, sigmoid_pseudo_labels(old_logits, labels, threshold=threshold))


def correction_on_new(correction: Tensor, new: Tensor) -> Tensor:  # (N, h, w) both
    """Mean over the cells of `new` classes of softplus(b): background should be low there."""
    return (softplus(correction) * new).sum() * world_size() / (all_reduce_sum(new.sum()) + 1e-8)


def correction_on_background(correction: Tensor, background: Tensor) -> Tensor:  # (N, h, w) both
    """Mean over `background` cells of max((1 - s)^2 - s^2, 0), s = sigmoid(b): b should not be negative."""
    loss = (1 - 2 * correction.sigmoid()).clamp(min=0) * background
    # Differs from BARM: without a background cell it is 0, and not NaN.
    return loss.sum() * world_size() / all_reduce_sum(background.sum()).clamp(min=1)


def branch_features(features: list[Tensor], old: list[Tensor], background: Tensor) -> Tensor:
    """Squared distance of each old branch's features (N, D, h, w) from the teacher's on `background` cells.

    A mean over all cells and channels, background or not, as published; summed over branches.
    """
    pairs = zip(features, old, strict=True)
    return sum(F.mse_loss(own * background[:, None], their * background[:, None]) for own, their in pairs)


def branch_distillation(raw: list[Tensor], old: list[Tensor]) -> Tensor:
    """Binary cross entropy of each old branch's logits with the teacher's sigmoids, its correction of the
    background among them: mean over cells, summed over rows and branches.
    """
    pairs = zip(raw, old, strict=True)
    return sum(soft_binary_cross_entropy(own, their.sigmoid()).mean() for own, their in pairs)
