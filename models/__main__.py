"""Size and cost of the backbones: `python -m models --list`, or `python -m models timm:convnext_tiny`."""

import argparse
import sys

import torch
from torch.utils.flop_counter import FlopCounterMode

from models import BACKBONES, backbone_name, build_backbone


def facts(name: str, *, size: int = 512) -> dict[str, object]:
    """Parameters, stride and channels of the features and GFLOPs of one forward pass; nothing is computed.

    GFLOPs count a multiplication and its addition as two, in the body alone, for one image of `size` squared.

    Raises:
        ValueError: if there is no such backbone.
    """
    with torch.device("meta"), torch.no_grad():
        body = build_backbone(name, output_stride=16).eval()
        with FlopCounterMode(display=False) as counter:
            features, maps = body(torch.zeros(1, 3, size, size))
    return {
        "backbone": name,
        "parameters": sum(parameter.numel() for parameter in body.parameters()),
        "stride": round(size / features.shape[-1]),
        "channels": features.shape[1],
        "maps": "/".join(str(stage.shape[1]) for stage in maps.values()),
        "GFLOPs": counter.get_total_flops() / 1e9,
    }


def table(names: list[str], *, size: int = 512) -> str:
    """One line per backbone."""
    lines = [
        f"{'backbone':32} {'parameters':>12} {'stride':>6} {'channels':>8} {f'GFLOPs @ {size}':>12}  maps"
    ]
    for name in names:
        row = facts(name, size=size)
        lines.append(
            f"{row['backbone']:32} {row['parameters']:12,} {row['stride']:6} {row['channels']:8} "
            f"{row['GFLOPs']:12.1f}  {row['maps']}"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m models", description=__doc__)
    parser.add_argument("--list", action="store_true", help="every backbone of BACKBONES (the default)")
    parser.add_argument("name", nargs="*", help="these instead, e.g. resnet101 timm:convnext_tiny")
    options = parser.parse_args(arguments)
    try:
        names = [backbone_name(name) for name in options.name] or list(BACKBONES)
        print(table(names))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if not options.name:
        print("timm:<name>: any model of timm.list_models(), e.g. python -m models timm:convnext_tiny")
    return 0


if __name__ == "__main__":
    sys.exit(main())
