"""Losses of networks that classify masks, of one layer's predictions and its matched queries.

Class losses take logits (N, Q, C + 1), no-object last, and the class of every query (N, Q). Mask losses take
the masks of the matched queries, their truth, and points at which both are read.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from utils.distributed import all_reduce_sum, world_size
from utils.masks.points import read


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Mean of `values` by `weights`, which may be 0 everywhere; those of all processes count."""
    total = all_reduce_sum(weights.detach().sum())
    return (values * weights).sum() * world_size() / torch.where(total > 0, total, 1)


def entropies(logits: Tensor, classes: Tensor, *, num_old: int = 0) -> Tensor:
    """-log p of every query's class (N, Q); no-object may hide the first `num_old` classes (MiB on masks)."""
    nothing, logs = logits.shape[-1] - 1, logits.log_softmax(-1)
    found = logs.gather(-1, classes[..., None])[..., 0]
    if num_old:
        hidden = torch.cat([logs[..., :num_old], logs[..., nothing:]], dim=-1).logsumexp(-1)
        found = torch.where(classes == nothing, hidden, found)
    return -found


def class_entropy(logits: Tensor, classes: Tensor, *, no_object: float = 0.1, num_old: int = 0) -> Tensor:
    """Cross entropy with weight `no_object` where that is the answer, else 1 (Mask2Former)."""
    entropy = entropies(logits, classes, num_old=num_old)
    weights = torch.ones_like(entropy).masked_fill(classes == logits.shape[-1] - 1, no_object)
    return weighted_mean(entropy, weights)


def mixed_entropy(logits: Tensor, classes: Tensor, whole: Tensor) -> Tensor:
    """`class_entropy` of a batch with images from a memory, whose labels show a part alone (BalConpas).

    There, queries that are to answer no-object do not count, and those of the other images count for them.

    Args:
        whole: which images come from the memory (N,).
    """
    entropy, matched = entropies(logits, classes), classes < logits.shape[-1] - 1
    ordinary = ~matched & ~whole[:, None]
    numbers = torch.stack([one.sum() for one in (matched, ~matched, ordinary)]).to(entropy.dtype)
    num_matched, num_others, num_ordinary = all_reduce_sum(numbers)
    weight = 0.1 * num_others / num_ordinary.clamp(min=1)
    total = (entropy * matched).sum() + weight * (entropy * ordinary).sum()
    return total * world_size() / (num_matched + 0.1 * num_others)


def focal_entropy(
    logits: Tensor, classes: Tensor, *, alpha: float = 5.0, gamma: float = 1.0, num_old: int = 0
) -> Tensor:
    """Mean of alpha (1 - p)^gamma (-log p) of the right answers, no-object among them (CoMFormer)."""
    return focal(entropies(logits, classes, num_old=num_old), alpha, gamma).mean()


def sigmoid_focal(
    logits: Tensor, classes: Tensor, *, factor: float = 50.0, alpha: float = 5.0, gamma: float = 1.0
) -> Tensor:
    """Mean of factor alpha (1 - P)^gamma b over all entries: b is the BCE, P = exp(-b) (ECLIPSE)."""
    truth = F.one_hot(classes, logits.shape[-1]).to(logits.dtype)
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return factor * focal(entropy, alpha, gamma).mean()


def focal(entropy: Tensor, alpha: float, gamma: float) -> Tensor:
    """The entropy -log p times alpha (1 - p)^gamma (Lin et al. 2017)."""
    return alpha * (1 - (-entropy).exp()) ** gamma * entropy


def certainty_of_share(shares: Tensor) -> Tensor:
    """How far shares in [0, 1] are from one half, from 0 to 1."""
    return (2 * shares - 1).abs()


def dice_loss(shares: Tensor, truth: Tensor) -> Tensor:  # (K, P), (K, P) in [0, 1]
    """Sum over pairs of 1 - (2 s.y + 1) / (|s| + |y| + 1)."""
    overlap = 2 * (shares * truth).sum(-1) + 1
    return (1 - overlap / (shares.sum(-1) + truth.sum(-1) + 1)).sum()


def sigmoid_mask_losses(logits: Tensor, truth: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over pairs of binary cross entropy and dice of independent masks (Mask2Former).

    Args:
        logits: of the matched queries' masks (K, h, w). truth: their masks (K, H, W). points: (K, P, 2).
    """
    logits, truth = (read(maps[:, None], points)[:, 0] for maps in (logits, truth.to(logits.dtype)))
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(-1).sum()
    return entropy, dice_loss(logits.sigmoid(), truth)


def softmax_mask_losses(logs: Tensor, truth: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over pairs of cross entropy and dice of masks that compete (CoMFormer).

    Args:
        logs: log of the matched queries' shares (K, h, w). truth, points: as in `sigmoid_mask_losses`.
    """
    shares, logs, truth = (
        read(maps[:, None], points)[:, 0] for maps in (logs.exp(), logs, truth.to(logs.dtype))
    )
    return -(truth * logs).mean(-1).sum(), dice_loss(shares, truth)
