"""The heads by name: values of `--head`."""

from modules.deeplab import DeepLabV3Head
from modules.head import Head
from modules.mask_head import MaskHead
from modules.pooled_head import PooledHead
from utils.naming import closest

# One line per head. Without --head a method takes the first that it supports.
HEADS: dict[str, type[Head]] = {
    "deeplab": DeepLabV3Head,
    "mask": MaskHead,
    "pooled": PooledHead,
}
PUBLISHED = "deeplab"  # what files, recipes and command lines mean that name no head


def head_named(name: str) -> str:
    """The key of HEADS that `name` means, without regard to case; ValueError names the nearest."""
    return closest(name, HEADS, "head")
