"""Which class wins at every pixel, without logits of all classes at the size of the image.

`predict(logits)` is what decides. It is shown a band of rows at a time, with those channels that can win
there, up-sampled by the same kernel from the same numbers: the decision is the same, pixel by pixel.
"""

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from segmentation_module import Output
from utils.losses.pixelwise import at_least_float32

# Channels that CPU kernels may take in one go: of a group that is whole, all come out as among any others.
GROUP = 16
ELEMENTS_CPU, ELEMENTS_GPU = 2**21, 2**28  # up-sampled values in hand at a time
ROUNDING = 1e-5  # of the largest logit: more than bilinear weights can be wrong by


def competing(*, leading: int = 0, squashed: Callable[[Tensor], Tensor] | None = None) -> Callable:
    """Says of a `predict` that apart from the first `leading` channels the largest wins, or an index that
    depends on the largest alone; so channels that cannot be the largest need not be shown to it.

    Its answer counts `leading` channels, if there are any, as the one class 0. `squashed` is what it applies
    to logits first, not decreasing. A `predict` of which this is not said is shown all channels at once.
    """

    def mark(predict: Callable) -> Callable:
        predict.leading, predict.squashed = leading, squashed or torch.nn.Identity()
        return predict

    return mark


@torch.no_grad()
def decide(predict: Callable[[Tensor], Tensor], out: Output) -> Tensor:  # (N, H, W)
    """`predict(out.logits)`, bit by bit, with a small part of them in memory at a time."""
    small = at_least_float32(out.logits_small)
    plain = type(out).logits is Output.logits  # up-sampled `logits_small`; heads may mean something else
    if not plain or not hasattr(predict, "leading") or "logits" in vars(out):  # cached: somebody needed them
        return predict(out.logits)
    found = [_image(predict, small[number : number + 1], out.size) for number in range(len(small))]
    return torch.cat(found)


def _image(predict: Callable, small: Tensor, size: tuple[int, int]) -> Tensor:  # (1, C, h, w) -> (1, H, W)
    """The decision for one image."""
    can_win = _winners(predict, small) if small.device.type == "cpu" else None  # elsewhere it would wait
    rows = []
    for above, inner, count, skipped in _bands(small, size):
        part = small[:, :, inner]
        channels = None if can_win is None else _groups(can_win[:, above].flatten(1).any(1))
        if channels is not None and len(channels) < small.shape[1]:
            part = part[:, channels].contiguous(memory_format=_format(small))
        else:
            channels = None
        scale = size[0] / small.shape[2] if count < size[0] else None
        large = torch.ops.aten.upsample_bilinear2d(part, [skipped + count, size[1]], False, scale, None)
        classes = predict(large[:, :, skipped:])
        if channels is not None:  # back to the numbers of all classes
            first = max(predict.leading - 1, 0)
            classes = (channels.to(classes.device)[first:] - first)[classes]
        rows.append(classes)
    return torch.cat(rows, dim=1)


def _format(tensor: Tensor) -> torch.memory_format:
    """The order of its dimensions in memory."""
    last = tensor.shape[1] > 1 and tensor.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def _winners(predict: Callable, small: Tensor) -> Tensor:  # (1, C, h, w) -> bool (C, h', w')
    """Which channels can be the largest somewhere between neighbouring cells: not one that is below another's
    least value there with its own greatest. `leading` ones always can.
    """
    window = min(2, small.shape[2]), min(2, small.shape[3])
    most, least = F.max_pool2d(small, window, 1)[0], -F.max_pool2d(-small, window, 1)[0]
    margin = ROUNDING * small.abs().amax()
    bar = least[predict.leading :].amax(0) - margin
    can = predict.squashed(most + margin) >= predict.squashed(bar) - ROUNDING * 0.1
    can[: predict.leading] = True
    return can


def _groups(can_win: Tensor) -> Tensor:  # bool (C) -> (C')
    """Numbers of the channels of every `GROUP` in which one can win, and of the first."""
    groups = torch.arange(len(can_win)) // GROUP
    chosen = torch.zeros(int(groups[-1]) + 1, dtype=torch.bool)
    chosen[groups[can_win]] = True
    chosen[0] = True
    return chosen[groups].nonzero()[:, 0]


def _bands(small: Tensor, size: tuple[int, int]) -> Iterator[tuple[slice, slice, int, int]]:
    """Bands of output rows: the squares between cells and the input rows that they come from, how many rows,
    and how many more above them come out first.

    Where the image is 2, 4, 8, ... times as large as the logits, places and weights of its rows are the same
    numbers counted from any cell. Else there is one band.
    """
    height, cells = size[0], small.shape[2]
    factor, rest = divmod(height, cells)
    budget = ELEMENTS_CPU if small.device.type == "cpu" else ELEMENTS_GPU
    each = max(1, budget // (small.shape[1] * size[1] * max(factor, 1)))
    if rest or factor < 2 or not math.log2(factor).is_integer() or each + 1 >= cells:
        yield slice(0, None), slice(0, cells), height, 0
        return
    half = factor // 2
    for first in range(0, cells - 1, each):
        last = min(first + each, cells - 1)
        # From the centre of one cell to that of another; before the first and behind the last centre, too.
        top = 0 if first == 0 else half
        bottom = (last - first) * factor + (factor if last == cells - 1 else half)
        yield slice(first, last), slice(first, last + 1), bottom - top, top
