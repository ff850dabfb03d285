"""Losses as pure functions: logits (N, C, H, W) and labels (N, H, W) to a map of per-pixel losses (N, H, W).

There is no reduction unless the docstring says so: the published systems average over all pixels, ignored
ones included, and that, like every weight, is up to the method. Each formula uses log-sum-exps and is finite,
with a finite gradient, for all finite logits.
"""

from collections.abc import Collection
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor

from utils.compile import compiling
from utils.labels import BACKGROUND, IGNORE


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:  # (N, C, H, W), (N, H, W)
    """-log softmax(z)_y per pixel (N, H, W), 0 where y is IGNORE; raises on other labels outside 0..C-1."""
    return F.cross_entropy(logits, labels.long(), ignore_index=IGNORE, reduction="none")


def unbiased_cross_entropy(logits: Tensor, labels: Tensor, num_old: int) -> Tensor:  # (N, C, H, W), (N, H, W)
    """Cross entropy in which background may be any old class (MiB eq. 5): (N, H, W), 0 where y is IGNORE.

    Labels below `num_old` all count as background, with probability sum_{k < num_old} softmax(z)_k.
    """
    if num_old == 0:
        return cross_entropy(logits, labels)
    # With the old channels folded into their log-sum-exp this is the plain loss of 1 + C_new channels.
    # Splitting instead of slicing lets the backward pass join the parts' gradients without filling zeros.
    old, new = logits.split([num_old, logits.shape[1] - num_old], dim=1)
    folded = torch.cat([log_sum_exp(old).unsqueeze(1), new], dim=1)  # (N, 1 + C_new, H, W)
    labels = labels.long()
    moved = (labels - num_old + 1).clamp(min=0)
    return cross_entropy(folded, moved.masked_fill(labels == IGNORE, IGNORE))


def knowledge_distillation(
    logits: Tensor, old_logits: Tensor, *, alpha: float = 1.0, mask: Tensor | None = None
) -> Tensor:  # (N, C, H, W), (N, C_old, H, W), mask (N, H, W)
    """Distillation on the old channels alone (LwF as in MiB): (N, H, W).

    -1/C_old sum_k q_k log softmax(z_0..z_{C_old-1})_k with q = softmax(alpha u): the pixel's cross entropy
    divided by C_old. `alpha` acts on the teacher only. Pixels where `mask` is 0 give 0.
    """
    num_old = old_logits.shape[1]
    old, _ = logits.split([num_old, logits.shape[1] - num_old], dim=1)
    loss = -((alpha * old_logits).softmax(1) * old.log_softmax(1)).sum(1) / num_old
    return loss if mask is None else loss * mask


def unbiased_knowledge_distillation(
    logits: Tensor, old_logits: Tensor, *, alpha: float = 1.0, mask: Tensor | None = None
) -> Tensor:  # (N, C, H, W), (N, C_old, H, W), mask (N, H, W)
    """Distillation in which the teacher's background may hide any new class (MiB eq. 8): (N, H, W)."""
    group = (BACKGROUND, *range(old_logits.shape[1], logits.shape[1]))
    return grouped_kd(logits, old_logits, group=group, alpha=alpha, mask=mask)


def unbiased_losses(
    logits: Tensor, old_logits: Tensor, labels: Tensor, *, alpha: float = 1.0
) -> tuple[Tensor, Tensor]:  # (N, C, H, W), (N, C_old, H, W), (N, H, W)
    """`unbiased_cross_entropy` and `unbiased_knowledge_distillation` at once, (N, H, W) each (MiB).

    They share the log-sum-exps over old and new channels, so that every channel is read once for both. Labels
    from C on that are not IGNORE raise, as in `cross_entropy`.
    """
    num_old, num_new = old_logits.shape[1], logits.shape[1] - old_logits.shape[1]
    background, old, new = logits.split([1, num_old - 1, num_new], dim=1)
    background, log_new = background[:, 0], log_sum_exp(new)
    log_old = torch.logaddexp(background, log_sum_exp(old)) if num_old > 1 else background
    log_all = torch.logaddexp(log_old, log_new)

    ignored = labels == IGNORE
    index = labels.long().masked_fill(ignored, 0) - num_old  # among the new channels; below 0 is background
    own = new.gather(1, index.clamp(min=0).unsqueeze(1)).squeeze(1)
    ce = (log_all - torch.where(index >= 0, own, log_old)).masked_fill(ignored, 0)

    targets = (alpha * old_logits).softmax(1)
    hidden, seen = targets.split([1, num_old - 1], dim=1)  # by background, in the teacher's eyes, or not
    kd = log_all - hidden[:, 0] * torch.logaddexp(background, log_new) - (seen * old).sum(1)
    return ce, kd / num_old


def grouped_kd(
    logits: Tensor,
    old_logits: Tensor,
    *,
    group: Collection[int],
    alpha: float = 1.0,
    mask: Tensor | None = None,
) -> Tensor:  # (N, C, H, W), (N, C_old, H, W), mask (N, H, W)
    """Distillation in which a group S of student channels matches the teacher's background, (N, H, W).

    -1/C_old [ q_0 log sum_{k in S} p_k + sum_{c=1}^{C_old-1} q_c log p_c ], q = softmax(alpha u),
    p = softmax(z). S = {0} and the new channels is MiB's unbiased distillation, S = the new channels alone is
    EIR's region-specific one. `alpha` acts on the teacher only. Pixels where `mask` is 0 give 0.
    """
    num_old, num_all = old_logits.shape[1], logits.shape[1]
    assert len(group) > 0, "an empty group cannot answer for the background"
    targets = (alpha * old_logits).softmax(1)  # (N, C_old, H, W)
    # Cut the channels where background ends, old classes end and the group begins or ends: each log-sum-exp
    # below is put together from those of the parts, so that every channel is read once.
    borders = {0, 1, num_old, num_all} | {k for k in range(1, num_all) if (k in group) != (k - 1 in group)}
    borders = sorted(borders)
    parts = logits.split([end - start for start, end in zip(borders, borders[1:], strict=False)], dim=1)
    sums = [log_sum_exp(part) if part.shape[1] > 1 else part[:, 0] for part in parts]
    log_all = reduce(torch.logaddexp, sums)
    log_group = reduce(
        torch.logaddexp, [s for s, start in zip(sums, borders, strict=False) if start in group]
    )
    loss = log_all - targets[:, 0] * log_group  # sum_k q_k = 1 gathers the denominators into one
    for part, start in zip(parts, borders, strict=False):
        if 0 < start < num_old:
            loss = loss - (targets[:, start : start + part.shape[1]] * part).sum(1)
    loss = loss / num_old
    return loss if mask is None else loss * mask


def feature_distillation(features: Tensor, old_features: Tensor) -> Tensor:  # (N, B, h, w) both
    """Mean squared difference over all elements, a scalar (encoder distillation of ILT); at least float32."""
    return F.mse_loss(at_least_float32(features), at_least_float32(old_features))


def at_least_float32(tensor: Tensor) -> Tensor:
    """`tensor`, in float32 if autocast left it in half precision."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def soft_binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:  # (N, C, H, W) both
    """Binary cross entropy with `targets` in [0, 1], summed: sum_c softplus(z_c) - t_c z_c, (N, H, W)."""
    return (softplus(logits) - targets * logits).sum(1)


def binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:  # (N, C, H, W), (N, H, W)
    """Binary cross entropy of each channel with the one-hot label, summed (LwF-MC): (N, H, W), 0 at IGNORE.

    Background is a class like the others, with target 1 on its pixels.
    """
    ignored = labels == IGNORE
    index = labels.long().masked_fill(ignored, 0)
    loss = softplus(logits).sum(1) - logits.gather(1, index.unsqueeze(1)).squeeze(1)
    return loss.masked_fill(ignored, 0)


def binary_distillation(logits: Tensor, old_logits: Tensor) -> Tensor:  # (N, C, H, W), (N, C_old, H, W)
    """Binary cross entropy of the old channels with the teacher's sigmoids, summed (LwF-MC): (N, H, W)."""
    return soft_binary_cross_entropy(logits[:, : old_logits.shape[1]], old_logits.sigmoid())


def multilabel_bce(logits: Tensor, targets: Tensor) -> Tensor:  # (N, C, H, W) both
    """Binary cross entropy summed over channels, 0 where no channel has a target (EIR): (N, H, W).

    EIR averages over the pixels that have one: the sum over `num_with_target(targets)`.
    """
    return soft_binary_cross_entropy(logits, targets).masked_fill(~(targets != 0).any(1), 0)


def num_with_target(targets: Tensor) -> Tensor:  # (N, C, H, W) -> ()
    """Pixels with any target. Differs from EIR: 1 if there is none, so that a mean is 0 and not NaN."""
    return (targets != 0).any(1).sum().clamp(min=1)


def sigmoid_pseudo_labels(
    old_logits: Tensor, labels: Tensor, *, threshold: float = 0.7, first: int = 1
) -> Tensor:  # (N, C_old, H, W), (N, H, W)
    """Labels (N, H, W) in which confident predictions of the teacher replace background (EIR, SSUL).

    A pixel with a label below `first` (the channels that stand for background) takes the teacher's best
    channel if that is none of them and its sigmoid reaches `threshold`.
    """
    best, guess = old_logits.max(1)
    sure = (labels < first) & (guess >= first) & (best.sigmoid() >= threshold)
    return torch.where(sure, guess.to(labels.dtype), labels)


def log_sum_exp(logits: Tensor) -> Tensor:  # (N, C, H, W) -> (N, H, W)
    """Log of the sum of the exponentials of all channels, of finite `logits`."""
    return logits.logsumexp(1) if compiling() else _LogSumExp.apply(logits)


class _LogSumExp(torch.autograd.Function):
    """Saves the exponentials, which torch's own log-sum-exp recomputes in its backward pass."""

    @staticmethod
    def forward(ctx, logits: Tensor) -> Tensor:
        largest = logits.amax(1, keepdim=True)
        parts = (logits - largest).exp_()
        total = parts.sum(1)
        ctx.save_for_backward(parts, total)
        return total.log().add_(largest.squeeze(1))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, outer: Tensor) -> Tensor:
        parts, total = ctx.saved_tensors
        return parts * (outer / total).unsqueeze(1)


def softplus(logits: Tensor) -> Tensor:
    """log(1 + exp(z)) in full float64 precision, which the default threshold of 20 would not give."""
    return F.softplus(logits, threshold=50.0)
