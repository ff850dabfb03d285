"""ALIFE-M's rotations of remembered features: from where a network had them to where the next one has them.

K classes, M remembered features (K, M, D) of each, D channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from utils.distributed import joint_max, joint_sum


def rotations(free: Tensor, channels: int) -> Tensor:  # (K, D (D - 1) / 2)
    """A rotation of each class (K, D, D): (I - S)(I + S)^-1, S = (U - U^T) / 2 (Cayley transform).

    `free` holds the upper triangles of U, row by row; zeros give no rotation.
    """
    rows, columns = torch.triu_indices(channels, channels, 1, device=free.device)
    upper = free.new_zeros(len(free), channels, channels)
    upper[:, rows, columns] = free
    skew = (upper - upper.mT) / 2
    one = torch.eye(channels, dtype=free.dtype, device=free.device)
    return torch.linalg.solve(one + skew, one - skew, left=False)


def rotate(matrices: Tensor, vectors: Tensor) -> Tensor:  # (K, D, D), (K, ..., D)
    """R_k v for the vectors of each class, in their shape."""
    return torch.einsum("kij,k...j->k...i", matrices, vectors)


def gathered(
    memory: Tensor, old: Tensor, features: Tensor, *, temperature: float
) -> tuple[Tensor, Tensor]:  # (K, M, D), (N, D, h, w) both
    """What each class finds in a batch among the old features, and in the same places of the new, (K, D).

    A cell weighs, in a softmax over all cells, temperature * sum_m relu(cos(m, its old feature)).
    """
    cells, new = (maps.movedim(1, -1).flatten(0, -2) for maps in (old, features))  # (N h w, D)
    units = F.normalize(cells, dim=1)
    scores = torch.stack([(F.normalize(own, dim=1) @ units.T).relu().sum(0) for own in memory]) * temperature
    parts = (scores - joint_max(scores.amax(1))[:, None]).exp()
    total = joint_sum(parts.sum(1, keepdim=True))
    return joint_sum(parts @ cells) / total, joint_sum(parts @ new) / total


def alignment_losses(
    old: Tensor,
    new: Tensor,
    matrices: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    owners: Tensor,
    share: float,
) -> tuple[Tensor, Tensor]:  # (K, D) both, (K, D, D), (C, D), (C,), (K,)
    """What trains the rotations: rotated vectors are still of their class, and point where the new ones do.

    `owners` are their classes. Both are centred by their mean over classes. (1 - share) times the cross
    entropy of the classifier, and share times the mean of 1 - cosine.
    """
    centre = new.mean(0)
    turned = rotate(matrices, old - old.mean(0))
    logits = F.linear(turned + centre, weight, bias)
    cosine = F.cosine_similarity(turned, new - centre, dim=1)
    return (1 - share) * F.cross_entropy(logits, owners), share * (1 - cosine).mean()
