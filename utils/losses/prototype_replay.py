"""STAR's statistics of the features of each class, and what replaying them takes (Chen et al., NeurIPS 2023).

K classes, D channels; background has no statistics, so class k of the model is row k - 1.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from utils.distributed import all_reduce_sum, joint_sum, world_size
from utils.labels import BACKGROUND

SEEN = 0.5  # the logit, not the probability, above which the teacher sees a class: as published


@dataclass(frozen=True)
class Statistics:
    """Of each class, over the cells that its labels show: unit prototype (K, D), mean and sample deviation
    of the feature norms (2, K), root mean square per channel of what unit features add to it (K, D).
    """

    prototypes: Tensor
    norms: Tensor
    noise: Tensor

    def drawn(self, classes: Tensor, noise: Tensor, norm: Tensor) -> Tensor:  # (S,), (S, D), (S, D)
        """Features (S, D) of the rows `classes`, from two standard normal draws per element, as published."""
        mean, deviation = (row[classes, None] for row in self.norms)
        return (self.prototypes[classes] + self.noise[classes] * noise) * (mean + deviation * norm)


class Gathering:
    """Sums over the features of `num_classes` classes, from which their statistics follow in one pass."""

    def __init__(self, num_classes: int, channels: int, device: torch.device):
        columns = 3 + 2 * channels  # 1, |f|, |f|^2, f / |f|, its squares
        self.sums = torch.zeros(num_classes, columns, dtype=torch.float64, device=device)

    def add(self, features: Tensor, classes: Tensor) -> None:  # (N, D, h, w), (N, h, w)
        """Take the cells in, each as an example of `classes`; those outside 0..num_classes-1 do not count."""
        flat = features.movedim(1, -1).flatten(0, -2).double()  # (N h w, D)
        norm = flat.norm(dim=1, keepdim=True)
        unit = flat / norm.clamp(min=1e-12)
        columns = torch.cat([torch.ones_like(norm), norm, norm.square(), unit, unit.square()], dim=1)
        rows = torch.arange(len(self.sums), device=classes.device)
        self.sums += (rows[:, None] == classes.flatten()).double() @ columns

    def finish(self, old: Statistics | None = None, *, published: bool = True) -> tuple[Statistics, Tensor]:
        """Statistics of the classes of `old` and these, over all processes, and the cells of these (K_new,).

        With `published`, the noise of these is measured around the FIRST prototypes of all, for the published
        code counts among the new classes and looks up among all: it is right where there are no old ones.
        """
        counts, norm, square, unit, squares = all_reduce_sum(self.sums.clone()).split(
            [1, 1, 1, *[(self.sums.shape[1] - 3) // 2] * 2], dim=1
        )
        number = counts.clamp(min=1)
        mean = norm / number
        deviation = ((square - number * mean.square()).clamp(min=0) / (number - 1).clamp(min=1)).sqrt()
        own, norms = F.normalize(unit, dim=1), torch.cat([mean, deviation], dim=1).T
        every = own if old is None else torch.cat([old.prototypes.to(own), own])
        around = every[: len(own)] if published else own
        spread = squares / number - 2 * around * (unit / number) + around.square()
        noise = spread.clamp(min=0).sqrt().masked_fill(counts == 0, 0)
        if old is not None:
            norms = torch.cat([old.norms.to(norms), norms], dim=1)
            noise = torch.cat([old.noise.to(noise), noise])
        return Statistics(every, norms, noise), counts.flatten()


@dataclass(frozen=True)
class Plan:
    """What a step replays: samples of each old class per batch (K ints), the weight of background cells in
    which the teacher sees nothing, and the numbers of cells to hand on (1 + K), background first.
    """

    counts: list[int]
    ratio: float
    numbers: Tensor


def replay_plan(old: Tensor, seen: Tensor, *, num_new: int, batches: int, disjoint: bool) -> Plan:
    """How much to replay, from the cells of the steps before and those that the teacher sees in this one.

    Args:
        old: numbers handed on by the step before (1 + K).
        seen: cells labelled background in which the teacher sees nothing, and each class (1 + K).
        num_new: classes of this step. batches: of an epoch.
        disjoint: whether images that show classes of later steps are left out.
    """
    background = float(old[0]) * (1 if disjoint else 1 - 0.01 * num_new)
    missing = old[1:] if disjoint else old[1:] - seen[1:]
    counts = [max(int(number / batches), 0) for number in missing.tolist()]
    # Differs from STAR, which divides by 0 where the teacher sees a class in every cell.
    ratio = max(background / max(float(seen[0]), 1.0) - (0 if disjoint else 0.5), 0.0)
    handed = old + seen if disjoint else old.clone()
    handed[0] = background + (1 if disjoint else 0.5) * seen[0]
    return Plan(counts, ratio, handed)


def seen_classes(logits: Tensor) -> Tensor:  # (N, C, h, w), channel 0 aside -> (N, h, w)
    """The model index of the old class that the teacher sees, 0 where none: largest logit above 0.5."""
    best, classes = logits.max(1)
    return torch.where(best > SEEN, classes + 1, BACKGROUND)


def prototype_distillation(features: Tensor, old: Tensor, weights: Tensor) -> Tensor:
    """Mean square of features minus the teacher's (N, D, h, w), weighted by `weights` (N, h, w); a scalar."""
    distance = (features - old).square().sum(1)
    # Differs from STAR: without any weight it is 0, and not NaN.
    total = all_reduce_sum(weights.sum().detach()) / world_size()
    return (weights * distance).sum() / (total * features.shape[1]).clamp(min=1e-12)


def prototype_contrast(features: Tensor, weights: Tensor, prototypes: Tensor) -> Tensor:
    """Mean over new classes of 1 / distance of their centre in the batch from the nearest prototype (K, D).

    Centre: normalised sum of the unit features (N, D, h, w) weighted by the class's share of each cell
    (N, C_new, h, w). A class that is not there has centre 0, distance 1, and adds 1, as published.
    """
    # A cell of zeros has no direction, and the gradient of its normalisation no bound.
    weights = weights * (features.detach() != 0).any(1, keepdim=True)
    sums = joint_sum(torch.einsum("ndhw,nchw->cd", F.normalize(features, dim=1), weights))
    distances = torch.cdist(F.normalize(sums, dim=1), prototypes, compute_mode="donot_use_mm_for_euclid_dist")
    return (1 / distances.min(1).values.clamp(min=1e-12)).mean()
