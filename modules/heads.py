"""The heads by name: values of `--head`."""

from utils.naming import closest
from utils.registry import Registry

# One line per head. Without --head a method takes the first that it supports.
HEADS = Registry(
    {
        "deeplab": "modules.deeplab:DeepLabV3Head",
        "mask": "modules.mask_head:MaskHead",
        "pooled": "modules.pooled_head:PooledHead",
    }
)
PUBLISHED = "deeplab"  # what files, recipes and command lines mean that name no head


def head_named(name: str) -> str:
    """The key of HEADS that `name` means, without regard to case; ValueError names the nearest."""
    return closest(name, HEADS, "head")
