"""Networks whose graph holds for every image size, for export: no branch on a size that tracing would fix."""

from types import MethodType

import torch
from torch import Tensor, nn

from modules.deeplab import DeepLabV3Head


def take_any_size(net: nn.Module) -> nn.Module:
    """Let the image pooling of the heads in `net` work without asking how large the map is; returns `net`.

    In place, and for evaluation: the same function, as one product per direction.
    """
    for module in net.modules():
        if isinstance(module, DeepLabV3Head):
            module.image = MethodType(pooled_image, module)
    return net


def pooled_image(head: DeepLabV3Head, x: Tensor) -> Tensor:  # (N, B, h, w) -> (N, D, h, w) or (N, D, 1, 1)
    """`DeepLabV3Head.image` in evaluation, for maps of any size."""
    height, width = x.shape[-2:]
    if head.pooling:
        pooled = window_means(height, head.pooling, x) @ x @ window_means(width, head.pooling, x).T
    else:
        pooled = x.mean((2, 3), keepdim=True)
    return head.pool_red_conv(head.global_pooling_bn(head.global_pooling_conv(pooled)))


def window_means(length: int, window: int, like: Tensor) -> Tensor:
    """Matrix (length, length) that takes the mean of the `window` positions around each one.

    At the borders the window stops where it would leave the map, which is what padding the valid means by
    their border values gives; where the map is shorter, it is the whole map.
    """
    window = torch.sym_min(window, length)
    at = torch.arange(length, device=like.device)
    first = (at - (window - 1) // 2).clamp(min=0).minimum(at.new_full((), 1) * (length - window))
    inside = (at >= first[:, None]) & (at < first[:, None] + window)
    return inside.to(like.dtype) / window
