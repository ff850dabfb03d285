"""The norm of the package inplace-abn, which the published systems used."""

import torch.distributed as dist
from torch import nn

from modules.abn import SLOPE
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
