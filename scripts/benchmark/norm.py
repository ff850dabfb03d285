"""Table `norm`: time of the norms of `--norm`, and the memory they keep for the backward pass."""

from collections.abc import Callable

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from models import BACKBONES
from models.resnet import RESNETS
from modules.deeplab import DeepLabV3Head
from modules.norms import BLOCKS, NORMS
from modules.residual import ResidualBlock
from scripts.benchmark.tools import Row, compare
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


def rows(
    backbone: str, *, size: int, images: int, device: torch.device, precision: str, rounds: int
) -> list[Row]:
    """Each memory-saving norm against the plain one: forward and backward of the whole network."""
    if BACKBONES[backbone] not in RESNETS:
        return []
    batch = torch.randn(images, 3, size, size, device=device)
    nets = {name: network(backbone, name, precision=precision).to(device) for name in VARIANTS}
    kept = {name: kept_bytes(net, batch) / 2**20 for name, net in nets.items()}

    def passing(name: str) -> Callable[[], torch.Tensor]:
        def run():
            logits = nets[name](batch).logits_small
            logits.square().mean().backward()
            return logits.detach()

        return run

    found = []
    for name in list(VARIANTS)[1:]:
        row = compare(name, passing("plain"), passing(name), device, rounds=rounds, images=images)
        row.kept = kept["plain"], kept[name]
        found.append(row)
    return found
