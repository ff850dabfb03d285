"""Class prototypes, and distillation weighted by how alike classes are (REMINDER, Phan et al., CVPR 2022)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from tasks import IGNORE
from utils.upsampling import upsampling_matrix


def class_means(features: Tensor, labels: Tensor, classes: range) -> tuple[Tensor, Tensor]:
    """Mean feature of each of `classes` (K, D), zero where it has no pixel, and its number of pixels (K,).

    The features (N, D, h, w) count as if up-sampled to the labels (N, H, W), bilinearly with aligned corners.
    As that is linear, the classes' masks are brought down instead, and no (N, D, H, W) tensor is made.
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


def class_similarity_kd(
    logits: Tensor,
    old_logits: Tensor,
    labels: Tensor,
    prototypes: Tensor,
    old_prototypes: Tensor,
    *,
    temperature: float = 3.0,
    delta: float = 0.0,
) -> Tensor:  # (N, C, H, W), (N, C_old, H, W), (N, H, W), (C_new, D), (C_old, D)
    """Distillation at pixels of new classes, most for the old classes that are like them: a scalar.

    R_yk = softmax over old classes k of cos(prototype_y, old prototype_k), 0 below `delta` / C_old. With
    q = softmax(u / T) and p = softmax(z_0..z_{C_old-1} / T), over the pixels M labelled with new classes:
    T^2 / |M| sum_i sum_k -(q_ik R_yk + 1e-7) log p_ik. Differs from REMINDER: 0 instead of NaN if M is empty.
    """
    num_old = old_logits.shape[1]
    similarity = (F.normalize(prototypes, dim=1) @ F.normalize(old_prototypes, dim=1).T).softmax(1)
    similarity = similarity.masked_fill(similarity < delta / num_old, 0.0)  # (C_new, C_old)
    chosen = (labels >= num_old) & (labels != IGNORE)
    log_p = (logits[:, :num_old].movedim(1, -1)[chosen] / temperature).log_softmax(1)  # (|M|, C_old)
    q = (old_logits.movedim(1, -1)[chosen] / temperature).softmax(1)
    weighted = q * similarity[labels[chosen] - num_old] + 1e-7
    return -(temperature**2) * (weighted * log_p).sum() / max(len(q), 1)
