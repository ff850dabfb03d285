"""What the norms of `--norm` cost: bytes kept for the backward pass, and time of a training pass.

    python scripts/benchmark_norm.py --backbone resnet101 --size 256 --batch 2 --rounds 5
    python scripts/benchmark_norm.py --compile        # adds torch.compile (minutes on a CPU)

Variants take turns, round by round, on the same images and weights; the table has the median of the rounds.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from models import BACKBONES
from models.resnet import RESNETS
from modules.deeplab import DeepLabV3Head
from modules.norms import BLOCKS, NORMS
from modules.residual import ResidualBlock
from segmentation_module import SegmentationModel


class CheckpointedBlock(ResidualBlock):
    """Keeps its input only and computes everything again in the backward pass."""

    def forward(self, x):
        return checkpoint(super().forward, x, use_reentrant=False)

    def with_map(self, x):
        return checkpoint(super().with_map, x, use_reentrant=False)


VARIANTS = {
    "plain": ("abn", BLOCKS["abn"]),
    "lean norms": ("lean", BLOCKS["abn"]),
    "lean norms and blocks (--norm lean)": ("lean", BLOCKS["lean"]),
    "a checkpoint per block": ("abn", CheckpointedBlock),
}


def network(backbone: str, variant: str, *, precision: str) -> SegmentationModel:
    """Body, head and a classifier of 21 rows, with the weights of seed 0."""
    norm, block = VARIANTS[variant]
    torch.manual_seed(0)
    body = BACKBONES[backbone](norm=NORMS[norm], block=block)
    head = DeepLabV3Head(body.out_channels, body.head_channels, norm=NORMS[norm])
    return SegmentationModel(body, head, [21], precision=precision).train()


def kept_bytes(net: nn.Module, images: torch.Tensor) -> int:
    """Activation bytes that the backward pass keeps; weights and their 16-bit copies do not count."""
    weights = {tuple(parameter.shape) for parameter in net.parameters() if parameter.dim() > 1}
    own = {parameter.untyped_storage().data_ptr() for parameter in net.parameters()}
    kept = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own and tuple(tensor.shape) not in weights:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        _out = net(images).logits_small  # keeps the graph alive while its storages are counted
    return sum(storage.nbytes() for storage in kept.values())


def seconds(net: nn.Module, images: torch.Tensor) -> float:
    """One forward and backward pass."""
    if images.is_cuda:
        torch.cuda.synchronize()
    began = time.perf_counter() if images.is_cuda else time.process_time()
    net(images).logits_small.square().mean().backward()
    if images.is_cuda:
        torch.cuda.synchronize()
        return time.perf_counter() - began
    return time.process_time() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [name for name, builder in BACKBONES.items() if builder in RESNETS]
    parser.add_argument("--backbone", default="resnet101", choices=names)
    parser.add_argument("--size", type=int, default=256, help="side of the images")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--compile", action="store_true", help="also the plain network, compiled")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images = torch.randn(options.batch, 3, options.size, options.size, device=device)
    nets = {
        name: network(options.backbone, name, precision=options.precision).to(device) for name in VARIANTS
    }
    kept = {name: f"{kept_bytes(net, images) / 2**20:.1f}" for name, net in nets.items()}
    if options.compile:
        nets["plain, compiled"] = torch.compile(
            network(options.backbone, "plain", precision=options.precision)
        )
        kept["plain, compiled"] = "-"
    times = {name: [] for name in nets}
    for net in nets.values():
        seconds(net.to(device), images)  # warm-up
    for _ in range(options.rounds):
        for name, net in nets.items():
            times[name].append(seconds(net, images))
    print(f"{options.backbone}, {options.batch} x {options.size}^2, {options.precision}, {device.type}\n")
    print("| norm | MiB kept | less | s per pass | times plain |\n|---|---|---|---|---|")
    for name in nets:
        share = "-" if kept[name] == "-" else f"{100 * (1 - float(kept[name]) / float(kept['plain'])):.0f} %"
        middle = statistics.median(times[name])
        ratio = statistics.median(a / b for a, b in zip(times[name], times["plain"], strict=True))
        print(f"| {name} | {kept[name]} | {share} | {middle:.3f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
