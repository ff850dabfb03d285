"""Folding of norms into the convolutions before them, for networks in evaluation."""

import copy

import torch
from torch import nn

from modules.abn import ABN
from modules.deeplab import DeepLabV3Head
from modules.parallel import TwoBranches
from modules.refined_head import RefinedHead
from modules.residual import ResidualBlock


@torch.no_grad()
def fold_norms(net: nn.Module) -> nn.Module:
    """Fold the norms of ResNets and heads, as in eval mode, into their convolutions; returns `net`.

    In place and irreversible: weights are scaled, biases added, and norms only activate. For a network, or a
    copy of one, that is neither trained nor saved. Equal up to rounding. Other modules (RCIL's branches,
    transformers, timm models) do not change.
    """
    for module in net.modules():
        if isinstance(module, TwoBranches):
            continue
        if isinstance(module, DeepLabV3Head):
            _fold_head(module)
        elif isinstance(module, ResidualBlock):
            fold_sequence(module.convs)
            if module.projects:
                fold([module.proj_conv], module.proj_bn)
        elif isinstance(module, RefinedHead):
            fold([module.last_conv], module.last_bn)
        elif isinstance(getattr(module, "mod1", None), nn.Sequential):
            fold_sequence(module.mod1)
    return net


def folded_copy(net: nn.Module) -> nn.Module:
    """A copy of `net` with folded norms; `net` itself where there is nothing to fold."""
    folded = fold_norms(copy.deepcopy(net))
    return folded if any(getattr(module, "folded", False) for module in folded.modules()) else net


def fold_sequence(layers: nn.Sequential) -> None:
    """Fold every norm that follows a convolution."""
    for conv, norm in zip(layers, list(layers)[1:], strict=False):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, ABN):
            fold([conv], norm)


def fold(convs: list[nn.Conv2d], norm: nn.Module, *, shares: bool = False) -> None:
    """Fold `norm` into the convolutions whose concatenated outputs (sum, if `shares`) it normalises."""
    if not isinstance(norm, ABN) or norm.folded or any(conv.bias is not None for conv in convs):
        return  # a norm of another kind (`--norm iabn`), or folded already
    scale = norm.scale() * (norm.running_var + norm.eps).rsqrt()
    shift = norm.bias - scale * norm.running_mean
    pieces = [(scale, shift)] * len(convs)
    if not shares:
        rows = [len(conv.weight) for conv in convs]
        pieces = zip(scale.split(rows), shift.split(rows), strict=True)
    for number, (conv, (factor, offset)) in enumerate(zip(convs, pieces, strict=True)):
        conv.weight.mul_(factor[:, None, None, None])
        if number == 0 or not shares:  # of summands, only the first gets the offset
            conv.bias = nn.Parameter(offset, requires_grad=False)
    norm.folded = True


def _fold_head(head: DeepLabV3Head) -> None:
    fold(list(head.map_convs), head.map_bn)
    fold([head.global_pooling_conv], head.global_pooling_bn)
    fold([head.red_conv, head.pool_red_conv], head.red_bn, shares=True)
