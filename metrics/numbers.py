"""Numbers made of numbers: means, and what several steps or runs say together; without PyTorch."""

from collections.abc import Mapping, Sequence


def harmonic(old: float | None, new: float | None) -> float | None:
    """Harmonic mean; 0 if both are 0, None if either is None."""
    if old is None or new is None:
        return None
    return 2 * old * new / (old + new) if old + new > 0 else 0.0


def average(values: Sequence[float | None]) -> float | None:
    """Mean over the values that are not None; over the mIoU of all steps it is the papers' "avg"."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def forgetting(iou_by_step: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Forgetting of each class: its best IoU after an earlier step, minus that after the last step.

    Negative if the class got better (Chaudhry et al., Riemannian Walk, ECCV 2018, with IoU in place of
    accuracy).

    Args:
        iou_by_step: for each step in order, IoU by class; a class is missing until it is learned.

    Returns:
        value by class known before the last step; None for one that never occurred in the labels.
    """
    if not iou_by_step:
        return {}
    *earlier, last = iou_by_step
    lost = {}
    for name, now in last.items():
        if not any(name in step for step in earlier):
            continue
        best = [step[name] for step in earlier if step.get(name) is not None]
        lost[name] = max(best) - now if best and now is not None else None
    return lost


def intransigence(
    joint: Mapping[str, float | None], when_learned: Mapping[str, float | None]
) -> dict[str, float | None]:
    """How much worse each class was learned than by joint training: IoU of `joint` minus IoU when learned.

    Same source as `forgetting`. Both by class name; None where one of the two does not exist.
    """
    values = {name: (joint.get(name), when_learned[name]) for name in when_learned}
    return {name: None if None in pair else pair[0] - pair[1] for name, pair in values.items()}


def trainable_percent(trainable: Sequence[int], finetuning: Sequence[int]) -> float | None:
    """Percentage of the parameters that incremental steps train, as the RevisitingCSS paper counts it.

    The mean of `trainable` over the incremental steps (step 0 left out), divided by the mean of `finetuning`
    over the same steps; None without any. Gives the paper's 0.000271 % (19-1, Swin-B) and 0.033194 % (50-50,
    ResNet-101).
    """
    if not trainable:
        return None
    return 100 * sum(trainable) / sum(finetuning)
