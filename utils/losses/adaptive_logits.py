"""ALIFE's losses (Oh et al., NeurIPS 2022): no pixel of the background is ever told which class it is.

Logits (N, C, H, W), the teacher's (N, C_old, H, W) and labels (N, H, W) give maps of losses (N, H, W).
"""

import torch
from torch import Tensor

from utils.labels import BACKGROUND, IGNORE
from utils.losses.pixelwise import cross_entropy, log_sum_exp


def soft_cross_entropy(logits: Tensor, old_logits: Tensor) -> Tensor:
    """Cross entropy with the softmax of the teacher (ALI): log sum_c exp z_c - sum_{k < C_old} q_k z_k."""
    num_old = old_logits.shape[1]
    return log_sum_exp(logits) - (old_logits.softmax(1) * logits[:, :num_old]).sum(1)


def adaptive_losses(
    logits: Tensor, old_logits: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:  # (N, C, H, W), (N, C_old, H, W), (N, H, W)
    """Cross entropy on new classes, ALI on background, distillation on all the rest, ignored pixels included.

    Each is 0 outside its own pixels. They are `cross_entropy`, `soft_cross_entropy` and
    `knowledge_distillation`, and share their log-sum-exps.
    """
    num_old = old_logits.shape[1]
    old, new = logits.split([num_old, logits.shape[1] - num_old], dim=1)
    log_old = log_sum_exp(old)
    log_all = torch.logaddexp(log_old, log_sum_exp(new))
    expected = (old_logits.softmax(1) * old).sum(1)

    background, taught = labels == BACKGROUND, (labels >= num_old) & (labels != IGNORE)
    index = (labels.long() - num_old).masked_fill(~taught, 0)
    ce = log_all - new.gather(1, index.unsqueeze(1)).squeeze(1)
    kd = (log_old - expected) / num_old
    ali = (log_all - expected).masked_fill(~background, 0)
    return ce.masked_fill(~taught, 0), ali, kd.masked_fill(background, 0)


def refining_losses(
    logits: Tensor, old_logits: Tensor, labels: Tensor, *, gamma: float = 2.0
) -> tuple[Tensor, Tensor]:  # (N, C, H, W), (N, C_old, H, W), (N, H, W)
    """Focal cross entropy whose background has the teacher's class, and ALI on the background (ALIFE-M).

    `gamma` 0 is plain cross entropy.
    """
    background = labels == BACKGROUND
    relabelled = torch.where(background, old_logits.max(1).indices.to(labels.dtype), labels)
    ali = soft_cross_entropy(logits, old_logits).masked_fill(~background, 0)
    return focal_cross_entropy(logits, relabelled, gamma=gamma), ali


def focal_cross_entropy(logits: Tensor, labels: Tensor, *, gamma: float = 2.0) -> Tensor:
    """(1 - p_y)^gamma times the cross entropy -log p_y (Lin et al., ICCV 2017), 0 where y is IGNORE."""
    ce = cross_entropy(logits, labels)
    return (-torch.expm1(-ce)) ** gamma * ce
