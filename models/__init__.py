"""Backbones by name: builders `(*, output_stride=16, **options) -> body`.

A body maps normalised images (N, 3, H, W) to (features (N, B, h, w), {stage: map}) and has the attributes
`out_channels` (B) and `head_channels`, and the method `load_pretrained(path)`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from modules.norms import BLOCKS, NORMS
from utils.naming import closest
from utils.registry import Registry

if TYPE_CHECKING:
    from torch import nn

BACKBONES = Registry(
    {
        "resnet18": "models.resnet:resnet18",
        "resnet50": "models.resnet:resnet50",
        "resnet101": "models.resnet:resnet101",
        "swin_b": "models.swin:swin_b",
        "tiny": "models.resnet:tiny",
    }
)
# Published files, under their published names; pretrained/README.md says where each comes from.
WEIGHTS = {
    "resnet50": "resnet50_iabn_sync.pth.tar",
    "resnet101": "resnet101_iabn_sync.pth.tar",
    "swin_b": "swin_base_patch4_window12_384.pth",
}
TIMM = "timm:"  # before the name of any model of the timm package


def backbone_name(name: str) -> str:
    """The exact spelling of the backbone `name`; names of timm models are checked when they are built.

    Raises:
        ValueError: if there is no such backbone; names the nearest.
    """
    if name.lower().startswith(TIMM):
        return name.lower()
    return closest(name, [*BACKBONES, f"{TIMM}<name>"], "backbone")


def build_backbone(name: str, *, norm: str = "abn", **options) -> "nn.Module":
    """The body `name`, one of `BACKBONES` or `timm:<name>`, with random weights.

    `norm`, a key of `NORMS`, applies to ResNets; other bodies have norms of their own.

    Raises:
        ValueError: if there is no such backbone, or not with these options.
    """
    from models.resnet import RESNETS  # needs PyTorch, which names do not

    name = backbone_name(name)
    if BACKBONES.get(name) in RESNETS:
        if norm not in BLOCKS:
            raise ValueError(f"--norm {norm} is not for {name}: it can be {', '.join(BLOCKS)}")
        options = {"norm": NORMS[norm], "block": BLOCKS[norm]} | options
    if name.startswith(TIMM):
        from models.timm import timm_backbone  # slow to import, and only needed here

        return timm_backbone(name.removeprefix(TIMM), **options)
    return BACKBONES[name](**options)


def default_weights(name: str) -> str:
    """Where the ImageNet weights of backbone `name` are expected; "" if none are published."""
    folder = Path(__file__).resolve().parent.parent / "pretrained"
    if name.startswith(TIMM):
        stem = name.removeprefix(TIMM).split("@")[0]
        ready = [folder / f"{stem}{suffix}" for suffix in (".safetensors", ".pth")]
        return str(next((file for file in ready if file.is_file()), ready[-1]))
    return str(folder / WEIGHTS[name]) if name in WEIGHTS else ""
