"""Means over the pixels of up-sampled logits, computed in bands of rows to save memory.

At 512 x 512 with 151 classes an image's logits take 158 MB, and a loss keeps several tensors of that size for
its backward pass. Here each band of rows is up-sampled, and its loss and its gradient with respect to the
small logits are computed at once; only this gradient is kept: 0.6 MB.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from utils.compile import compilable, compiling
from utils.distributed import all_reduce_sum, world_size
from utils.losses.pixelwise import at_least_float32
from utils.losses.upsampling import bands, exact_products, portion, upsampling_matrix
from utils.ranges import named


def pixel_means(loss_maps: Callable, small: Sequence[Tensor], maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Mean over all pixels of each map that `loss_maps(*logits, *maps)` returns, as scalars.

    Args:
        loss_maps: per-pixel losses as in `utils.losses`: takes a band of the up-sampled `small` and of
            `maps`, and returns a map (n, r, W), or a tuple of them. Pixels must be independent.
        small: logits (N, C, h, w) to be up-sampled bilinearly; the gradient is taken by the first alone.
        maps: labels or masks (N, H, W), soft targets (N, C, H, W), factors (N, 1, 1); the first gives H, W.

    Same values and gradients as `plain_means`, up to rounding.
    """
    first, *others = map(at_least_float32, small)
    with named(f"loss: {getattr(loss_maps, 'func', loss_maps).__name__}"):
        return _PixelMeans.apply(first, loss_maps, [other.detach() for other in others], list(maps))


def mean_within(mean: Tensor, mask: Tensor) -> Tensor:
    """From the mean over all pixels of a map that is 0 outside `mask`, the mean inside; 0 if that is nowhere.

    The pixels of all processes count, so that their gradients average to that of one with all their images.
    """
    return mean * (mask.numel() * world_size()) / all_reduce_sum(mask.sum()).clamp(min=1)


def plain_means(loss_maps: Callable, small: Sequence[Tensor], maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """`pixel_means` at full resolution: the reference of tests and benchmark."""
    size = maps[0].shape[-2:]
    small = map(at_least_float32, small)
    logits = [F.interpolate(x, size, mode="bilinear", align_corners=False) for x in small]
    return tuple(term.mean() for term in as_tuple(loss_maps(*logits, *maps)))


class _PixelMeans(torch.autograd.Function):
    """Computes the gradient in the forward pass; backward scales it."""

    @staticmethod
    def forward(ctx, small: Tensor, loss_maps: Callable, others: list[Tensor], maps: list[Tensor]):
        (n, c, _, _), (height, width) = small.shape, maps[0].shape[-2:]
        images, rows = portion(c, (height, width), small.device)
        totals, gradients = [], []
        for start in range(0, n, images):
            part = slice(start, start + images)
            with exact_products():
                sums, slopes = image_sums(
                    loss_maps, small[part], [x[part] for x in others], [x[part] for x in maps], rows=rows,
                    graded=ctx.needs_input_grad[0],
                )  # fmt: skip
            totals.append(torch.stack(sums))
            gradients.append(slopes)
        pixels = n * height * width
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(*(torch.cat(parts) / pixels for parts in zip(*gradients, strict=True)))
        return tuple(torch.stack(totals).sum(0) / pixels)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *outer: Tensor):
        return sum(g * kept for g, kept in zip(outer, ctx.saved_tensors, strict=True)), None, None, None


def image_sums(
    loss_maps: Callable, small: Tensor, others: list[Tensor], maps: list[Tensor], *, rows: int, graded: bool
) -> tuple[list[Tensor], list[Tensor]]:  # (n, C, h, w), n images at once, `rows` rows of them
    """Sum over the pixels of each map, and its gradient by `small` if `graded`."""
    (h, w), (height, width) = small.shape[-2:], maps[0].shape[-2:]
    down, across = upsampling_matrix(h, height, small), upsampling_matrix(w, width, small)
    wide, *others = (x @ across.T for x in (small, *others))  # (n, C, h, W)
    sums, slopes = [], []
    for own, read in bands(h, height, rows):
        band = down[own, read]
        logits, *rest = (band @ x[:, :, read] for x in (wide, *others))  # (n, C, r, W)
        cut = [x[..., own, :] if x.shape[-2] == height else x for x in maps]
        if graded:
            terms, gradients = graded_sums(loss_maps, logits, [*rest, *cut])
        else:
            terms, gradients = [term.sum() for term in as_tuple(loss_maps(logits, *rest, *cut))], []
        sums = [a + b for a, b in zip(sums, terms, strict=True)] if sums else terms
        slopes = slopes or [torch.zeros_like(wide) for _ in gradients]
        for slope, gradient in zip(slopes, gradients, strict=True):
            slope[:, :, read] += band.T @ gradient
    return sums, [slope @ across for slope in slopes]


def graded_sums(
    loss_maps: Callable, logits: Tensor, inputs: list[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:  # (n, C, r, W)
    """Sum of each map, and its gradient by `logits`."""
    if compiling():
        return fused_sums(loss_maps, logits, inputs)
    with torch.enable_grad():
        logits.requires_grad_()
        terms = [term.sum() for term in as_tuple(loss_maps(logits, *inputs))]
    last = len(terms) - 1
    gradients = [torch.autograd.grad(term, logits, retain_graph=k < last)[0] for k, term in enumerate(terms)]
    return [term.detach() for term in terms], gradients


@compilable
def fused_sums(
    loss_maps: Callable, logits: Tensor, inputs: list[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:  # (n, C, r, W)
    """`graded_sums` by `torch.func.vjp`, so that values and gradients are compiled together."""

    def sums(logits):
        return tuple(term.sum() for term in as_tuple(loss_maps(logits, *inputs)))

    terms, pull = torch.func.vjp(sums, logits)
    one, zero = torch.ones_like(terms[0]), torch.zeros_like(terms[0])
    outer = [tuple(one if k == j else zero for j in range(len(terms))) for k in range(len(terms))]
    return list(terms), [pull(weights)[0] for weights in outer]


def as_tuple(terms: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """One or several loss maps as a tuple."""
    return (terms,) if isinstance(terms, Tensor) else terms
