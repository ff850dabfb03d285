"""What a step costs: trainable parameters, and their share of what full fine-tuning would train."""

from collections.abc import Sequence

from torch import nn


def finetuning_parameters(net: nn.Module, num_seen: int) -> int:
    """Parameters of `net` if it were fine-tuned whole, with rows for the `num_seen` classes taught so far
    only.

    Args:
        net: a `SegmentationModel`; what is frozen, and rows allocated in advance, do not matter.
        num_seen: classes up to and including the step, background included.
    """
    shared = sum(parameter.numel() for part in (net.body, net.head) for parameter in part.parameters())
    return shared + num_seen * (net.head.out_channels + 1)


def trainable_percent(trainable: Sequence[int], finetuning: Sequence[int]) -> float | None:
    """Per cent of the parameters that incremental training moves, as the RevisitingCSS paper counts it.

    The mean of `trainable` over the incremental steps (step 0 left out), divided by the mean of `finetuning`
    over the same steps; None without any. Gives the paper's 0.000271 % (19-1, Swin-B) and 0.033194 % (50-50,
    ResNet-101).
    """
    if not trainable:
        return None
    return 100 * sum(trainable) / sum(finetuning)
