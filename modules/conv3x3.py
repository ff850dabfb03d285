"""3x3 convolutions that leave out the products with padding where it pays."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

TAPS = 3  # per axis


class Conv3x3(nn.Conv2d):
    """3x3 convolution, padded so that stride 1 keeps the size of the map: (N, C, h, w) -> (N, D, h', w').

    Taps that are `dilation` cells apart see padding alone close to the border: on a map of 8 x 8, of taps 12
    cells apart only the middle one ever sees anything. Libraries multiply the padding nevertheless, and their
    backward passes copy the weights. On a CPU, a map of which little is seen, or that is small beside the
    weights, takes one matrix product per tap instead. Equal up to rounding.
    """

    def __init__(
        self, in_channels: int, channels: int, *, stride: int = 1, dilation: int = 1, bias: bool = False
    ):
        options = {"stride": stride, "padding": dilation, "dilation": dilation, "bias": bias}
        super().__init__(in_channels, channels, TAPS, **options)

    def forward(self, x: Tensor) -> Tensor:
        if not self.by_taps(x):
            return super().forward(x)
        y = _TapProducts.apply(x, self.weight, self.dilation[0])
        return y if self.bias is None else y + self.bias[:, None, None]

    def by_taps(self, x: Tensor) -> bool:
        """Whether one matrix product per tap is possible and takes less time than the library's kernel."""
        if x.device.type != "cpu" or self.stride != (1, 1):
            return False
        if torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"):
            return False
        # Measured for 48 to 2048 channels, maps of 8 x 8 to 32 x 32 and 1 to 16 images. From half of the
        # products on the library's one product of many is faster, until it is the weights that take the time.
        few = seen_share(x.shape[2:], self.dilation[0]) < 0.5
        heavy = self.weight.numel() > 2**21 and 4 * x.numel() <= x.shape[1] ** 2
        last = (tensor.is_contiguous(memory_format=torch.channels_last) for tensor in (x, self.weight))
        return (few or heavy) and all(last)


def seen_share(size: tuple[int, int], dilation: int) -> float:
    """Share of a convolution's products on a map of `size` (h, w) that are not with padding."""
    seen = [cells + 2 * max(0, cells - dilation) for cells in size]
    return seen[0] * seen[1] / (TAPS**2 * size[0] * size[1])


def seeing_taps(size: tuple[int, int], dilation: int) -> Iterator[tuple[tuple, tuple, tuple]]:
    """Taps that see anything: where in the kernel, the cells they add to, and the cells they see.

    The latter two index maps (N, h, w, ...).
    """
    axes = []
    for cells in size:
        offsets = [(tap, (tap - TAPS // 2) * dilation) for tap in range(TAPS)]
        axes.append([(tap, cut(cells, -offset), cut(cells, offset))
                     for tap, offset in offsets if abs(offset) < cells])  # fmt: skip
    for row, *rows in axes[0]:
        for column, *columns in axes[1]:
            to, seen = ((slice(None), down, across) for down, across in zip(rows, columns, strict=True))
            yield (slice(None), slice(None), row, column), to, seen


def cut(cells: int, offset: int) -> slice:
    """All `cells` of an axis but the first `offset`; but the last, if it is negative."""
    return slice(max(0, offset), cells + min(0, offset))


class _TapProducts(torch.autograd.Function):
    """Works on cells (N, h, w, channels), which is how channels-last maps lie in memory."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, dilation: int) -> Tensor:  # (N, C, h, w), (D, C, 3, 3)
        ctx.save_for_backward(x, weight)
        ctx.dilation = dilation
        cells = x.movedim(1, -1)
        y = x.new_zeros(*cells.shape[:3], len(weight))  # (N, h, w, D)
        for tap, to, seen in seeing_taps(x.shape[2:], dilation):
            y[to] += product(cells[seen], weight[tap].T)
        return y.movedim(-1, 1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        x, weight = ctx.saved_tensors
        cells, grad = x.movedim(1, -1), grad.movedim(1, -1)
        to_x = torch.zeros_like(cells) if ctx.needs_input_grad[0] else None
        to_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None  # laid out like the weight
        for tap, to, seen in seeing_taps(x.shape[2:], ctx.dilation):
            if to_x is not None:
                to_x[seen] += product(grad[to], weight[tap])
            if to_weight is not None:
                torch.mm(grad[to].flatten(0, 2).T, cells[seen].flatten(0, 2), out=to_weight[tap])
        return None if to_x is None else to_x.movedim(-1, 1), to_weight, None


def product(cells: Tensor, matrix: Tensor) -> Tensor:  # (N, h, w, A), (A, B) -> (N, h, w, B)
    """Every cell's row times the matrix."""
    return (cells.flatten(0, 2) @ matrix).unflatten(0, cells.shape[:3])
