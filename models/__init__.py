"""Backbones by name: builders `(*, output_stride=16, **options) -> body`.

A body maps normalised images (N, 3, H, W) to (features (N, B, h, w), {stage: map}) and has the attributes
`out_channels` (B) and `head_channels`, and the method `load_pretrained(path)`.
"""

from pathlib import Path

from models.resnet import resnet18, resnet50, resnet101, tiny

BACKBONES = {
    "resnet18": resnet18,
    "resnet50": resnet50,
    "resnet101": resnet101,
    "tiny": tiny,
}

# Published files, under their published names; pretrained/README.md says where each comes from.
WEIGHTS = {
    "resnet50": "resnet50_iabn_sync.pth.tar",
    "resnet101": "resnet101_iabn_sync.pth.tar",
    "swin_b": "swin_base_patch4_window12_384.pth",
}


def default_weights(name: str) -> str:
    """Where the published ImageNet weights of backbone `name` are expected; "" if none are published."""
    file = WEIGHTS.get(name)
    return str(Path(__file__).resolve().parent.parent / "pretrained" / file) if file else ""
