"""The learning-rate schedule: a function of the iteration, multiplied with each group's own learning rate."""

from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

WARMUP_START = 1e-3  # factor of the first iteration of a warm-up


def poly(
    iterations: int, power: float = 0.9, *, warmup: float = 0.0, lr: float = 1.0, min_lr: float = 0.0
) -> Callable[[int], float]:
    """The schedule of all published systems, as a factor of the learning rate.

    Iteration i runs at lr * (1 - i / iterations) ** power, i = 0 being the first update; after the last one
    the factor is 0 and stays there (DeepLab's "poly" policy, stepped per iteration by the whole MiB family
    and EIR).

    Args:
        iterations: updates of the whole step.
        power: exponent; 1 falls linearly, 0 stays constant.
        warmup: share of the iterations, below 1, over which the factor additionally rises linearly from 0.001
            to 1 (EIR and DKD on ADE20K: 0.2, SSUL: 0.1).
        lr: rate that the factor is for. min_lr: what it does not fall below (SSUL on VOC: 1e-6).

    Raises:
        ValueError: if there is no iteration, or nothing but warm-up.
    """
    if iterations < 1:
        raise ValueError(f"a schedule needs at least one iteration, not {iterations}")
    if not 0 <= warmup < 1:
        raise ValueError(f"warm-up is a share of the iterations, in [0, 1), not {warmup}")
    rising = int(warmup * iterations)
    least = min_lr / lr if lr > 0 else 0.0

    def factor(iteration: int) -> float:
        done = min(iteration, iterations)
        value = (1 - done / iterations) ** power
        if iteration < rising:
            share = iteration / rising
            value *= WARMUP_START * (1 - share) + share
        return max(value, least)

    return factor


def poly_schedule(optimizer: Optimizer, iterations: int, power: float, *, warmup: float = 0.0) -> LambdaLR:
    """`poly` for every group of `optimizer`; a group that has a `min_lr` does not fall below it."""
    groups = [(group["lr"], group.get("min_lr", 0.0)) for group in optimizer.param_groups]
    factors = [poly(iterations, power, warmup=warmup, lr=lr, min_lr=least) for lr, least in groups]
    return LambdaLR(optimizer, factors)
