"""Class prototypes, and distillation weighted by class similarity (REMINDER, Phan et al., CVPR 2022)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from utils.labels import IGNORE
from utils.losses.upsampling import upsampling_matrix


def class_means(features: Tensor, labels: Tensor, classes: range) -> tuple[Tensor, Tensor]:
    """Mean feature of each of `classes` (K, D), zero where it has no pixel, and its number of pixels (K,).

    Equal to up-sampling the features (N, D, h, w) to the labels (N, H, W), bilinearly with aligned corners.
    As that is linear, the class masks are down-sampled by the transpose instead, which needs no (N, D, H, W).
    """
    sizes = zip(features.shape[2:], labels.shape[1:], strict=True)
    up_h, up_w = (upsampling_matrix(h, size, features, align_corners=True) for h, size in sizes)
    index = torch.arange(classes.start, classes.stop, device=labels.device)[:, None, None]
    sums, counts = features.new_zeros(len(classes), features.shape[1]), features.new_zeros(len(classes))
    for feature, label in zip(features, labels, strict=True):
        mask = (label == index).to(features.dtype)  # (K, H, W)
        share = up_h.T @ mask @ up_w  # (K, h, w)
        sums += share.flatten(1) @ feature.flatten(1).T
        counts += mask.sum((1, 2))
    return sums / counts.clamp(min=1)[:, None], counts


def resemblance(prototypes: Tensor, old_prototypes: Tensor, *, delta: float = 0.0) -> Tensor:
    """Similarity of each new class to each old one: softmax over old classes of the cosines (C_new, C_old).

    `prototypes` (C_new, D), `old_prototypes` (C_old, D); a zero prototype has cosine 0 with every other.
    Entries below `delta` / C_old become 0; the rest is not rescaled.
    """
    cosines = F.normalize(prototypes, dim=1) @ F.normalize(old_prototypes, dim=1).T
    weights = cosines.softmax(1)
    return weights.masked_fill(weights < delta / len(old_prototypes), 0.0)


def resemblance_kd(
    logits: Tensor, old_logits: Tensor, labels: Tensor, weights: Tensor, *, temperature: float = 3.0
) -> Tensor:  # (N, C, H, W), (N, C_old, H, W), (N, H, W), (C_new, C_old)
    """Distillation of the old classes similar to a pixel's new class: (N, H, W), 0 on all other pixels.

    -T^2 sum_k (q_k R_yk + 1e-7) log p_k, q = softmax(u / T), p = softmax(z_0..z_{C_old-1} / T), R = `weights`
    from `resemblance`. REMINDER averages it over the pixels of new classes.
    """
    num_old = old_logits.shape[1]
    log_p = (logits[:, :num_old] / temperature).log_softmax(1)
    q = (old_logits / temperature).softmax(1)
    new = of_new_class(labels, num_old)
    rows = weights[(labels - num_old).masked_fill(~new, 0)].movedim(-1, 1)  # (N, C_old, H, W)
    loss = ((q * rows + 1e-7) * log_p).sum(1)
    return (-(temperature**2) * loss).masked_fill(~new, 0.0)


def of_new_class(labels: Tensor, num_old: int) -> Tensor:  # (N, H, W)
    """Mask of the pixels of new classes, bool (N, H, W)."""
    return (labels >= num_old) & (labels != IGNORE)
