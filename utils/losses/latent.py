"""SDR's terms in the latent space: prototypes of classes, and what features owe them (CVPR 2021).

Features come as cells (M, D) with a class each (M,), from `select` or, with its known error, from
`published_select`. C classes have running prototypes (C, D); cells of other classes, IGNORE among them, count
for none. Sums are over the images of all processes.
"""

import torch
from torch import Tensor

from utils.distributed import all_reduce_sum, joint_max, joint_sum, world_size

TINY = 1e-15  # as published


def select(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:  # (N, D, h, w), (N, h, w)
    """The features of each cell (M, D), and its class (M,)."""
    return features.movedim(1, -1).flatten(0, -2), labels.flatten()


def published_select(
    features: Tensor, labels: Tensor, *, by_cell: bool = False
) -> tuple[Tensor, Tensor]:  # (N, D, h, w), (N, h, w)
    """The same as SDR's code does it: each class's numbers, in memory's order, cut into vectors of D numbers.

    It cuts them into D rows of cells, which is right for one image and mixes channels with cells for several;
    in matching it cuts them into cells (`by_cell`), which mixes them always.
    """
    cells, classes = [], []
    for label in labels.unique().tolist():
        mask = labels == label
        numbers = features[mask[:, None].expand_as(features)]
        channels = features.shape[1]
        cells.append(numbers.view(-1, channels) if by_cell else numbers.view(channels, -1).T)
        classes.append(labels[mask])
    return torch.cat(cells), torch.cat(classes)


def sums_of_classes(values: Tensor, classes: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Sum of the `values` (M, ...) of each class (C, ...), and how many there were (C,)."""
    index = torch.arange(num_classes, device=classes.device)
    member = (index[:, None] == classes).to(values.dtype)  # (C, M)
    sums = (
        (member @ values.flatten(1)).unflatten(1, values.shape[1:]) if values.dim() > 1 else member @ values
    )
    return joint_sum(sums), joint_sum(member.sum(1))


@torch.no_grad()
def update_prototypes(
    prototypes: Tensor, counts: Tensor, cells: Tensor, classes: Tensor, *, background: bool
) -> tuple[Tensor, Tensor]:  # (C, D), (C,)
    """Running means and numbers of cells after these; background stays as it was if it is left out."""
    sums, number = sums_of_classes(cells.detach(), classes, len(prototypes))
    sums, number = sums.to(prototypes), number.to(counts)
    if not background:
        number[0], sums[0] = 0, 0
    after = counts + number
    means = (sums + counts[:, None] * prototypes) / after.clamp(min=1)[:, None]
    return torch.where(number[:, None] > 0, means, prototypes), after


def matching(cells: Tensor, classes: Tensor, prototypes: Tensor) -> Tensor:  # (M, D), (M,), (C_old, D)
    """Mean square of class mean minus prototype, on average over the old classes seen; background is none."""
    sums, number = sums_of_classes(cells, classes, len(prototypes))
    seen = number > 0
    seen[0] = False
    distances = (sums / number.clamp(min=1)[:, None] - prototypes).square().mean(1)
    return (distances * seen).sum() / seen.sum().clamp(min=1)


def attraction(cells: Tensor, classes: Tensor, prototypes: Tensor, *, background: bool = True) -> Tensor:
    """Mean square of cells minus their prototype, of each class seen, added up in a fading sum.

    Each of the K classes seen adds its own, and then divides the sum by K, as published: the first in order
    counts K^-K, the last 1 / K. Without `background` that is not among them.
    """
    known = (classes < len(prototypes)) & (classes >= 0)
    own = prototypes[classes.masked_fill(~known, 0)]
    sums, number = sums_of_classes((cells - own).square().mean(1), classes, len(prototypes))
    seen = number > 0
    if not background:
        seen[0] = False
    total, rank = seen.sum(), seen.cumsum(0)
    fading = total.clamp(min=1).to(cells.dtype) ** (rank - total - 1)
    return (sums / number.clamp(min=1) * fading * seen).sum()


def repulsion(cells: Tensor, classes: Tensor, num_classes: int) -> Tensor:
    """Mean of 1 / distance over the ordered pairs of means of different classes; 0 if there is only one."""
    sums, number = sums_of_classes(cells, classes, num_classes)
    means, seen = sums / number.clamp(min=1)[:, None], number > 0
    pairs = (seen[:, None] & seen).fill_diagonal_(False)
    distances = torch.cdist(means, means, compute_mode="donot_use_mm_for_euclid_dist")
    return (pairs / distances.clamp(min=1e-6).where(pairs, 1.0)).sum() / pairs.sum().clamp(min=1)


def sparsity(cells: Tensor, classes: Tensor) -> Tensor:  # (M, D), (M,), all classes below 256
    """Mean over cells of sum_d exp(x_d) / sum_d x_d, x = features over the largest of their class.

    Ignored cells are a class, as published. Differs from SDR: negative features count as 0, and cells without
    any positive one not at all; there, they give D / 1e-15.
    """
    cells = cells.masked_fill(cells < 0, 0)  # unlike relu it has a gradient at 0, where a ReLU leaves many
    largest = joint_max(cells.new_zeros(256).scatter_reduce(0, classes, cells.amax(1), "amax"))
    x = cells / (largest[classes] + TINY)[:, None]
    total, alive = x.sum(1), cells.detach().amax(1) > 0
    ratio = x.exp().sum(1) / (total + TINY).where(alive, 1.0)
    return (ratio * alive).sum() * world_size() / all_reduce_sum(alive.sum()).clamp(min=1)
