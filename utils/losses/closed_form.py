"""Linear classifiers that are computed instead of trained: ridge regression, nearest mean, discriminants.

Each takes the `Moments` of all cells seen so far and gives weights (C, B), and biases (C,) where it has any.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from utils.labels import BACKGROUND
from utils.losses.moments import Moments

NEVER = -1e30  # bias of a class without a single cell; finite, so that it can be up-sampled


def expand(features: Tensor, weight: Tensor) -> Tensor:  # (N, D, h, w), (B, D) -> (N, B, h, w)
    """Random features relu(W f) of every cell (SegACIL)."""
    return F.conv2d(features, weight[:, :, None, None]).relu_()


def ridge(moments: Moments, *, gamma: float) -> Tensor:  # -> (C, B)
    """The ridge solution ((X^T X + gamma I)^-1 X^T Y)^T over all cells, Y their one-hot classes (SegACIL).

    With products of each class, every class counts as much as one cell: A_c / n_c and s_c / n_c.

    Raises:
        torch.linalg.LinAlgError: if gamma is not positive and the products are singular.
    """
    products, sums = moments.products, moments.sums
    if len(products) > 1:
        share = 1 / moments.counts.clamp(min=1)
        products, sums = (share[:, None, None] * products).sum(0, keepdim=True), share[:, None] * sums
    matrix = products[0].clone()
    matrix.diagonal().add_(gamma)
    return torch.cholesky_solve(sums.T, torch.linalg.cholesky(matrix)).T


def sure_labels(scores: Tensor, labels: Tensor, *, threshold: float) -> Tensor:  # (N, C_old, H, W), (N, H, W)
    """Labels (N, H, W) in which background gives way to the best class if its score is sure (SegACIL).

    It has to be another class than background, with a score of at least `threshold`.
    """
    best, guess = scores.max(1)
    sure = (labels == BACKGROUND) & (guess != BACKGROUND) & (best >= threshold)
    return torch.where(sure, guess.to(labels.dtype), labels)


def nearest_mean(moments: Moments) -> tuple[Tensor, Tensor]:
    """Class means of length 1 (C, B) and biases (C,): for features of length 1 the score is the cosine."""
    return F.normalize(moments.sums, dim=1), absent(moments)


def linear_discriminant(moments: Moments, *, shrinkage: float, priors: bool = False) -> tuple[Tensor, Tensor]:
    """Gaussian classes with one covariance S: scores m^T S^-1 f - m^T S^-1 m / 2 + log prior (LDA).

    S is the mean product of what is left of the cells without their class means, and a share `shrinkage` of
    it is replaced by its mean variance in all directions. Priors are equal, or the shares of the cells if
    `priors`. Means are taken from a common centre, which changes all scores of a cell alike and keeps them
    small.
    """
    counts, (width,) = moments.counts, moments.sums.shape[1:]
    total = counts.sum().clamp(min=1)
    means = moments.sums / counts.clamp(min=1)[:, None]  # (C, B)
    within = (moments.products[0] - moments.sums.T @ means) / total
    variance = (within.trace() / width).clamp(min=1e-12)  # of equal cells only rounding is left
    matrix = (1 - shrinkage) * within
    matrix.diagonal().add_(shrinkage * variance)
    centre = moments.sums.sum(0) / total
    weight = torch.linalg.solve(matrix, (means - centre).T).T
    bias = -(weight * (means + centre)).sum(1) / 2
    if priors:
        bias += (counts.clamp(min=1) / total).log()
    return weight, bias + absent(moments)


def absent(moments: Moments) -> Tensor:
    """Biases (C,) that keep classes from winning of which no cell was seen, and 0 for the others."""
    return torch.where(moments.counts > 0, 0.0, NEVER).to(moments.sums)
