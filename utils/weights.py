"""What is computed on the weights of whole networks, by name as in a state dict."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor


def share_of_new(num_old: int, num_new: int) -> float:
    """sqrt(n_new / (n_new + n_old)): weight of the trained network in a fusion (EWF, CVPR 2023).

    `num_old` counts the background.
    """
    return math.sqrt(num_new / (num_new + num_old))


def fuse(
    old: Mapping[str, Tensor], new: Mapping[str, Tensor], weight: float, *, share: float = 1.0
) -> dict[str, Tensor]:
    """(1 - weight) old + weight new for every entry that `old` has, running statistics included (EWF).

    What `old` lacks (the newest classifier) and what are no numbers with fractions (counters) are taken from
    `new`. Where both are equal the result is, too, to the last bit. The result is where `new` is.

    Args:
        weight: of the new network, in [0, 1].
        share: of all entries together, those that moved most, to be fused; the others stay new
            (EWF `--threshold_choice`: 0.45).
    """
    fused = dict(new)
    common = {key: old[key].to(new[key]) for key in new if key in old and new[key].is_floating_point()}
    least = least_of_largest(common, new, share) if share < 1 else 0.0
    for key, before in common.items():
        mixed = before.lerp(new[key], weight)
        fused[key] = torch.where((new[key] - before).abs() >= least, mixed, new[key]) if least else mixed
    return fused


def least_of_largest(old: Mapping[str, Tensor], new: Mapping[str, Tensor], share: float) -> float:
    """The least |new - old| of the `share` of all entries of `old` that moved most; inf if that is none."""
    moves = torch.cat([(new[key] - old[key]).abs().flatten() for key in old])
    count = int(share * moves.numel())
    return moves.kthvalue(moves.numel() - count + 1).values.item() if count else math.inf
