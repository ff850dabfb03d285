"""Backbones by name: builders `(*, output_stride=16, **options) -> body`.

A body maps normalised images (N, 3, H, W) to (features (N, B, h, w), {stage: map}) and has the attributes
`out_channels` (B) and `head_channels`, and the method `load_pretrained(path)`.
"""

from models.resnet import resnet18, resnet50, resnet101, tiny

BACKBONES = {
    "resnet18": resnet18,
    "resnet50": resnet50,
    "resnet101": resnet101,
    "tiny": tiny,
}
