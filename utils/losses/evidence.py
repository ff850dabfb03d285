"""What DKD (NeurIPS 2022) computes: cross entropy of new sigmoids, and evidence for and against classes."""

import torch.nn.functional as F
from torch import Tensor

from utils.labels import IGNORE
from utils.losses.pixelwise import at_least_float32, softplus


def new_class_bce(
    logits: Tensor, labels: Tensor, *, num_old: int, pos_weight: float = 1.0, skip_ignored: bool = False
) -> Tensor:  # (N, C_new, H, W), (N, H, W)
    """Binary cross entropy of the new classes' channels with the label, summed (DKD): (N, H, W).

    Class `num_old` is channel 0 of `logits`. Background and old classes are negatives of every new class, and
    so are ignored pixels unless `skip_ignored`; a positive counts `pos_weight` times.
    """
    ignored = labels == IGNORE
    index = labels.long() - num_old
    positive = (index >= 0) & (index < logits.shape[1]) & ~ignored
    own = logits.gather(1, index.clamp(0, logits.shape[1] - 1).unsqueeze(1)).squeeze(1)
    excess = pos_weight * softplus(-own) - softplus(own)  # of a positive over a negative
    loss = softplus(logits).sum(1) + excess.masked_fill(~positive, 0)
    return loss.masked_fill(ignored, 0) if skip_ignored else loss


def evidence(features: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:  # (N, D, h, w), (C, D, 1, 1)
    """What speaks for and against each class (DKD), both (N, C, h, w), at least float32.

    z+ = sum_d max(w_cd, 0) f_d and z- = sum_d min(w_cd, 0) f_d, without biases; z+ >= 0 >= z- where f >= 0.
    """
    features = at_least_float32(features)
    return F.conv2d(features, weight.clamp(min=0)), F.conv2d(features, weight.clamp(max=0))
