"""Values of `--norm`: normalisation with activation of the ResNets and of every head."""

from collections.abc import Callable
from functools import partial

import torch.distributed as dist
from torch import nn

from modules.abn import ABN, SLOPE
from modules.lean_abn import LeanABN, LeanBlock
from modules.residual import ResidualBlock
from utils.distributed import is_distributed


def iabn(channels: int, *, activation: str = "leaky_relu") -> nn.Module:
    """The norm of the package inplace-abn, synchronised over the processes.

    Raises:
        ValueError: if the package is not installed.
    """
    try:
        from inplace_abn import InPlaceABN, InPlaceABNSync
    except ImportError:
        raise ValueError(
            "--norm iabn needs the package inplace-abn, compiled for the installed PyTorch: pip install "
            "'setuptools>=70' setuptools_scm, then TORCH_CUDA_ARCH_LIST=9.0 pip install --no-build-isolation "
            "inplace-abn (with nvcc and your GPU's number); --norm lean saves more memory without it"
        ) from None
    options = {"activation": activation, "activation_param": SLOPE, "eps": 1e-5, "momentum": 0.1}
    if is_distributed():
        # Without the group, current versions silently do not synchronise.
        return InPlaceABNSync(channels, group=dist.group.WORLD, **options)
    return InPlaceABN(channels, **options)


NORMS: dict[str, Callable[..., nn.Module]] = {
    "abn": ABN,  # fastest
    "lean": LeanABN,  # the same numbers from 44 % less memory, about 10 % slower on a CPU
    "iabn": iabn,  # the package that the published systems used
    "bn_relu": partial(
        ABN, signed=True, slope=0.0
    ),  # ordinary batch norm and ReLU, for heads behind timm bodies
}
BLOCKS = {"abn": ResidualBlock, "lean": LeanBlock, "iabn": ResidualBlock}  # the residual block that suits it


def norms_of(net: nn.Module) -> list[nn.Module]:
    """Every norm in `net`, which is what keeps running statistics: in-place, synchronised or plain."""
    return [m for m in net.modules() if "running_mean" in dict(m.named_buffers(recurse=False))]
