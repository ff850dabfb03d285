"""Which query answers for which mask: costs at random points, and the cheapest one-to-one assignment.

DETR's matching as Mask2Former does it; CoMFormer has other costs. All layers and images of a batch are
assigned after one transfer.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from utils.masks.points import read
from utils.masks.targets import Masks


@dataclass
class Pairs:
    """Matched queries: in each layer as many as there are masks, or queries if these are fewer.

    Attributes:
        images: image of each pair (K,). queries: its query (L, K), ascending within an image.
        targets: its mask (L, K), counted through the batch.
    """

    images: Tensor
    queries: Tensor
    targets: Tensor

    def classes(self, known: Tensor, shape: tuple[int, ...], *, nothing: int) -> Tensor:
        """Class of every query, (L, N, Q) = `shape`: of its mask among the `known` (T,), or `nothing`."""
        classes = torch.full(shape, nothing, dtype=torch.long, device=known.device)
        layers = torch.arange(shape[0], device=known.device)[:, None]
        classes[layers, self.images, self.queries] = known[self.targets]
        return classes

    def at(self, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        """Images, queries and targets (K,) of one layer."""
        return self.images, self.queries[layer], self.targets[layer]

    def within(self, layer: int, targets: list[Masks]) -> Tensor:
        """Mask of each pair of a layer (K,), counted within its image."""
        counts = torch.tensor([0, *(len(one) for one in targets)], device=self.images.device)
        return self.targets[layer] - counts.cumsum(0)[self.images]

    def of_first(self, targets: list[Masks], numbers: list[Masks]) -> tuple[Tensor, Tensor]:
        """Images and queries whose masks in the last layer are their image's first, as many as `numbers`."""
        counts = torch.tensor([len(one) for one in numbers], device=self.images.device)
        chosen = self.within(-1, targets) < counts[self.images]
        return self.images[chosen], self.queries[-1, chosen]


def sigmoid_costs(
    probabilities: Tensor, masks: Tensor, truth: Tensor, *, weights: tuple[float, float, float]
) -> Tensor:
    """Costs (L, Q, T) of a network whose masks are independent (Mask2Former).

    Args:
        probabilities: of each mask's class (L, Q, T). masks: logits at the points (L, Q, P).
        truth: the same of the masks (L, T, P), in [0, 1].
        weights: of class, mask and dice cost; those of the losses, ECLIPSE's 10 for classes among them.
    """
    truth, points = truth.mT, masks.shape[-1]
    sigmoids = masks.sigmoid()
    # y softplus(-m) + (1 - y) softplus(m) = softplus(m) - y m
    entropy = (F.softplus(masks).sum(-1, keepdim=True) - masks @ truth) / points
    sums = sigmoids.sum(-1, keepdim=True) + truth.sum(1, keepdim=True)
    dice = 1 - (2 * sigmoids @ truth + 1) / (sums + 1)
    of_class, of_mask, of_dice = weights
    return -of_class * probabilities + of_mask * entropy + of_dice * dice


def softmax_costs(probabilities: Tensor, masks: Tensor, truth: Tensor) -> Tensor:
    """Costs (L, Q, T) of masks that compete: minus the harmonic mean of probability and dice (CoMFormer).

    Args:
        probabilities: as in `sigmoid_costs`. masks: shares of each query at the points (L, Q, P).
        truth: as there.
    """
    truth = truth.mT
    sums = masks.sum(-1, keepdim=True) + truth.sum(1, keepdim=True)
    dice = (2 * masks @ truth + 1) / (sums + 1)
    return -2 * probabilities * dice / (probabilities + dice)


@torch.no_grad()
def costs_of(
    logits: Tensor, maps: Tensor, targets: list[Masks], points: Tensor, *, costs: Callable
) -> list[Tensor]:
    """Cost of every query for every mask of its image, one (L, Q, T) per image.

    Args:
        logits: of classes, no-object last (L, N, Q, C + 1). maps: what `costs` reads of the masks (L, N, Q,
            h, w).
        points: (L, N, P, 2). costs: `softmax_costs`, or `sigmoid_costs` with its weights.
    """
    layers, _, number, _ = points.shape
    found = []
    for image, target in enumerate(targets):
        probabilities = logits[:, image].softmax(-1)[:, :, target.classes]
        here = points[:, image]  # (L, P, 2)
        truth = read(target.masks[None].to(maps.dtype), here.reshape(1, -1, 2))
        truth = truth.view(len(target), layers, number).transpose(0, 1)
        found.append(costs(probabilities, read(maps[:, image], here), truth))
    return found


def assign(costs: list[Tensor]) -> Pairs:
    """The cheapest assignment of queries to masks in each layer and image; the dearest masks may stay alone.

    A cost that is not finite is taken for a large one: the loss will say which value is wrong.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import, and only needed here

    device, layers = costs[0].device, costs[0].shape[0]
    flat = torch.cat([cost.flatten() for cost in costs]).cpu().double().numpy()  # the one transfer
    flat = np.nan_to_num(flat, nan=1e6, posinf=1e6, neginf=-1e6)
    images, queries, targets, offset, first = [], [], [], 0, 0
    for image, cost in enumerate(costs):
        own = flat[offset : offset + cost.numel()].reshape(cost.shape)
        pairs = np.array([linear_sum_assignment(one) for one in own])  # (L, 2, K_i)
        images.append(np.full(pairs.shape[2], image))
        queries.append(pairs[:, 0])
        targets.append(pairs[:, 1] + first)
        offset, first = offset + cost.numel(), first + cost.shape[2]
    columns = [np.concatenate(images), np.concatenate(queries, axis=1), np.concatenate(targets, axis=1)]
    assert columns[1].shape[0] == layers
    return Pairs(*(torch.from_numpy(column).long().to(device) for column in columns))
