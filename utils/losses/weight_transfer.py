"""NeST: new classifiers as combinations of the old ones, tuned before training (Xie et al., ECCV 2024).

W (K, D) are all old classifiers' weights, row 0 the background's, and b (K,) their biases. A new class c
has an importance M[c] (K, D) and a projection P[c] (K,), and starts at w_c = sum_k P[c, k] (M[c, k] *
W[k]), where * is element-wise. Everything here is float32 or float64 and works on the network's features.
"""

import warnings
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from utils.distributed import all_reduce_sum, is_main, world_size
from utils.losses.pixelwise import unbiased_cross_entropy
from utils.schedule import poly

GRID = (128, 128)  # on which the teacher's features and predictions are compared, for every crop size
TINY = 1e-12  # lower bound of norms in denominators


class WeightTransfer(nn.Module):
    """The tensors that pre-tuning optimises.

    Args:
        importance: M (C_new, K, D).
        projection: P (C_new, K).
        bias: of the new classes (C_new,).
    """

    def __init__(self, importance: Tensor, projection: Tensor, bias: Tensor):
        super().__init__()
        self.importance, self.projection = nn.Parameter(importance), nn.Parameter(projection)
        self.bias = nn.Parameter(bias)
        self.background_importance = nn.Parameter(importance.new_ones(1, importance.shape[2]))
        self.background_projection = nn.Parameter(importance.new_ones(1, 1))

    def new_rows(self, weight: Tensor) -> Tensor:  # (K, D)
        """Weights of the new classes (C_new, D)."""
        return torch.einsum("ck,ckd,kd->cd", self.projection, self.importance, weight)

    def background_row(self, weight: Tensor) -> Tensor:  # (K, D)
        """Weights of the background (1, D)."""
        return self.background_projection @ (self.background_importance * weight[:1])

    def forward(self, features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Logits (N, K + C_new, h, w) of features (N, D, h, w), given W and b."""
        rows = torch.cat([self.background_row(weight), weight[1:], self.new_rows(weight)])
        return F.conv2d(features, rows[:, :, None, None], torch.cat([bias, self.bias]))

    @torch.no_grad()
    def classifiers(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # (K, D), (K,)
        """Initial classifiers of training: old weights (K, D), new weights (C_new, D), new biases (C_new,).

        Of the old weights only the background's direction changes. New weights get the old rows' mean norm.
        As published, the vector of new biases gets the norm of the vector of old biases, which makes those of
        few new classes large.
        """
        background = self.background_row(weight)
        background = background * (weight[0].norm() / background.norm().clamp(min=TINY))
        old = torch.cat([background, weight[1:]])
        new_bias = self.bias * (bias.norm() / self.bias.norm().clamp(min=TINY))
        return old, align_norms(old, self.new_rows(weight)), new_bias


def align_norms(old: Tensor, newest: Tensor) -> Tensor:  # (K, D), (C_new, D)
    """The newest step's rows, rescaled to the mean norm of the old rows (published `align_weight`)."""
    return newest * (old.norm(dim=1).mean() / newest.norm(dim=1).mean().clamp(min=TINY))


@torch.no_grad()
def vote(
    batches: Iterable[tuple[Tensor, Tensor]],
    weight: Tensor,
    bias: Tensor,
    *,
    num_new: int,
    grid: tuple[int, int] = GRID,
) -> tuple[Tensor, Tensor]:
    """Initial M (C_new, K, D) and P (C_new, K) from one pass over the step's images.

    M[c, k, d] is the mean of p_k [f_d W[k, d] > 0] over the pixels of new class c, on all processes, with
    the old network's softmax p and features f on `grid`; P[c] is the softmax over k of sum_d M[c, k, d].
    `batches` are the old network's features (N, D, h, w) with labels (N, H, W); `weight`, `bias` are W and
    b.
    """
    num_old = len(weight)
    sums = weight.new_zeros(num_new, *weight.shape, dtype=torch.float64)
    counts = weight.new_zeros(num_new, dtype=torch.float64)
    for features, labels in batches:
        for image in zip(features.to(weight.dtype).split(1), labels.split(1), strict=True):
            p, f, truth = on_grid(*image, weight, bias, grid=grid)
            count_votes(p, f, truth - num_old, weight, sums=sums, counts=counts)
    sums, counts = all_reduce_sum(sums), all_reduce_sum(counts)
    importance = (sums / counts[:, None, None].clamp(min=1)).to(weight.dtype)
    projection = importance.sum(2).softmax(1)
    unseen = counts == 0
    if unseen.any() and is_main():
        numbers = ", ".join(str(num_old + c) for c in unseen.nonzero().flatten().tolist())
        warnings.warn(
            f"no training pixel of new class {numbers}: its classifier starts as the mean of the old ones",
            stacklevel=2,
        )
    # Differs from NeST, where a class without a pixel becomes NaN.
    importance[unseen], projection[unseen] = 1.0, 1.0 / num_old
    return importance, projection


def on_grid(
    features: Tensor, labels: Tensor, weight: Tensor, bias: Tensor, *, grid: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:  # (1, D, h, w), (1, H, W)
    """Softmax of the old network (K, U), its features (D, U) and labels (U,) at the U points of `grid`."""
    logits = F.conv2d(features, weight[:, :, None, None], bias)
    for size in (labels.shape[-2:], grid):
        logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    features = F.interpolate(features, size=grid, mode="bilinear", align_corners=False)
    labels = F.interpolate(labels[None].float(), size=grid, mode="nearest").long()
    return logits.softmax(1)[0].flatten(1), features[0].flatten(1), labels.flatten()


def count_votes(
    p: Tensor, features: Tensor, new: Tensor, weight: Tensor, *, sums: Tensor, counts: Tensor
) -> None:  # (K, U), (D, U), (U,), (K, D)
    """Add p_k [f_d W[k, d] > 0] of all pixels with new = c to `sums`[c] (K, D), their number to `counts`[c].

    Pixels where `new` is not in 0..C_new-1 do not count.
    """
    for c in new.unique().tolist():
        if 0 <= c < len(sums):
            p_c, f_c = p[:, new == c], features[:, new == c]
            # The sign of f_d W[k, d] is a product of signs: two matrix products replace (U, K, D) numbers.
            positive, negative = (p_c @ (f > 0).to(p.dtype).T for f in (f_c, -f_c))  # (K, D)
            sums[c] += torch.where(weight > 0, positive, negative).masked_fill(weight == 0, 0)
            counts[c] += p_c.shape[1]


def warm_loss(
    transfer: WeightTransfer, features: Tensor, labels: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:  # (N, D, h, w), (N, H, W), (K, D), (K,)
    """Logits (N, K + C_new, H, W), and the mean of their unbiased cross entropy with the step's labels."""
    logits = transfer(features.to(weight.dtype), weight, bias)
    logits = F.interpolate(logits, size=labels.shape[-2:], mode="bilinear", align_corners=False)
    return logits, unbiased_cross_entropy(logits, labels, len(weight)).mean()


def pretune(
    transfer: WeightTransfer,
    batches: Iterable[tuple[Tensor, Tensor]],
    weight: Tensor,
    bias: Tensor,
    *,
    lr: float,
    iterations: int,
    weight_decay: float = 1e-4,
    momentum: float = 0.9,
    power: float = 0.9,
) -> Tensor:
    """Optimise `transfer` by `warm_loss` on `batches`, one per iteration; returns the losses (iterations,).

    SGD with Nesterov momentum on all five tensors, gradients averaged over processes. The poly schedule is
    stepped before the optimizer, so that the last of the `iterations` has learning rate 0: as published.

    Raises:
        FloatingPointError: if a loss is not finite.
    """
    if iterations == 0:
        return weight.new_zeros(0)
    optimizer = torch.optim.SGD(
        transfer.parameters(), lr=lr, momentum=momentum, nesterov=True, weight_decay=weight_decay
    )
    schedule, losses = poly(iterations, power), []
    for iteration, (features, labels) in enumerate(batches, start=1):
        optimizer.param_groups[0]["lr"] = lr * schedule(iteration)
        _, loss = warm_loss(transfer, features, labels, weight, bias)
        optimizer.zero_grad()
        loss.backward()
        for parameter in transfer.parameters():
            all_reduce_sum(parameter.grad).div_(world_size())
        optimizer.step()
        losses.append(loss.detach())
    losses = torch.stack(losses)
    if not all_reduce_sum(losses.sum()).isfinite():  # on every process
        raise FloatingPointError("NeST's pre-tuning diverged: lower --warm_lr_scale")
    return losses
