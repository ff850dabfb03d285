"""Learning-rate schedules: functions of the iteration, multiplied with every group's own learning rate."""

from collections.abc import Callable

WARMUP_START = 1e-3  # factor of the first iteration of a warm-up


def poly(iterations: int, power: float = 0.9, *, warmup: float = 0.0) -> Callable[[int], float]:
    """The schedule of all published systems, for `torch.optim.lr_scheduler.LambdaLR`.

    Iteration i runs at lr * (1 - i / iterations) ** power, i = 0 being the first update; after the last one
    the factor is 0 and stays there (DeepLab's "poly" policy, stepped per iteration by the whole MiB family
    and EIR).

    Args:
        iterations: updates of the whole step.
        power: exponent; 1 falls linearly, 0 stays constant.
        warmup: share of the iterations, below 1, over which the factor additionally rises linearly from 0.001
            to 1 (EIR on ADE20K: 0.2).

    Raises:
        ValueError: if there is no iteration, or nothing but warm-up.
    """
    if iterations < 1:
        raise ValueError(f"a schedule needs at least one iteration, not {iterations}")
    if not 0 <= warmup < 1:
        raise ValueError(f"warm-up is a share of the iterations, in [0, 1), not {warmup}")
    rising = int(warmup * iterations)

    def factor(iteration: int) -> float:
        done = min(iteration, iterations)
        value = (1 - done / iterations) ** power
        if iteration < rising:
            share = iteration / rising
            value *= WARMUP_START * (1 - share) + share
        return value

    return factor
