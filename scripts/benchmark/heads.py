"""Table `heads`: an iteration on the mask head beside one on DeepLab, and how masks are decided by bands."""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor

from dataset.transform import to_device
from modules.heads import HEADS
from scripts.benchmark.steps import Bench
from scripts.benchmark.tools import Row, compare, in_turns, kept_bytes, milliseconds
from segmentation_module import SegmentationModel
from utils.masks.full_size import score, semantic_scores

PLAIN, OTHER = "deeplab", "mask"
METHOD = "FT"  # which both heads have
QUERIES = 100  # as published
SIDES_CPU, SIDES_GPU = (128, 512), (512,)  # of the images


def rows(bench: Bench, side: int | None, *, rounds: int) -> list[Row]:
    """An iteration for images of `side` pixels or of several sides, then the decision at the largest.

    `plain` is DeepLab, or masks that are formed at full size at once.
    """
    sides = (side,) if side else SIDES_GPU if bench.device.type == "cuda" else SIDES_CPU
    found = [iterations(sized(bench, side), rounds=rounds) for side in sides]
    return [*found, decisions(bench, max(sides), rounds=rounds)]


def sized(bench: Bench, side: int) -> Bench:
    """The same with images of `side` pixels."""
    return Bench(bench.parts, (bench.step.num_old, bench.step.num_seen), size=side, images=bench.images,
                 device=bench.device)  # fmt: skip


def on_head(bench: Bench, name: str) -> Bench:
    """The same for networks with the head `name`, at the stride that it wants unasked."""
    made, stride = copy(bench), HEADS[name].defaults.get("output_stride", bench.parts.output_stride)
    made.parts = replace(bench.parts, head_name=name, output_stride=stride)
    return made


def iterations(bench: Bench, *, rounds: int) -> Row:
    """Milliseconds, MiB kept for the backward pass, and the mask head's multiples of DeepLab's."""
    runs: dict[str, Callable] = {}
    kept, batch = [], to_device(*bench.batch, bench.device)
    for name in (PLAIN, OTHER):
        there = on_head(bench, name)
        method = there.method(METHOD)
        runs[name] = there.iteration(method)
        kept.append(kept_bytes(lambda method=method: sum(method.losses(*batch).values())) / 2**20)
    matching = milliseconds(matching_of(method.net, *batch), bench.device)
    times = in_turns(runs, bench.device, rounds=rounds)
    ratios = [a / b for a, b in zip(times[PLAIN], times[OTHER], strict=True)]
    row = Row(f"{METHOD} on {PLAIN} / {OTHER}, {bench.size} px", median(times[PLAIN]), median(times[OTHER]),
              median(ratios), (min(ratios), max(ratios)), kept=tuple(kept))  # fmt: skip
    row.more = {"time": 1 / row.ratio, "memory": kept[1] / kept[0], "matching": matching / row.ours}
    return row


@torch.no_grad()
def matching_of(net: SegmentationModel, images: Tensor, labels: Tensor) -> Callable[[], object]:
    """The matching of one batch, alone."""
    out, head = net(images), net.head
    targets = head.targets(labels, head.first, head.first + out.class_logits.shape[-1] - 2)
    return lambda: head.criterion.match(out.class_logits, out.masks, targets)


def decisions(bench: Bench, side: int, *, rounds: int) -> Row:
    """Scores of `side` squared pixels by bands of rows, and from all masks at full size."""
    logits = torch.randn(bench.images, QUERIES, bench.step.num_seen + 1, device=bench.device)
    masks = torch.randn(bench.images, QUERIES, side // 4, side // 4, device=bench.device)

    def whole() -> Tensor:
        full = F.interpolate(masks, size=(side, side), mode="bilinear", align_corners=False)
        return score(logits, full.sigmoid())

    def banded() -> Tensor:
        return semantic_scores(logits, masks, (side, side))

    return compare(f"{OTHER}: scores of whole masks / bands, {side} px", whole, banded, bench.device,
                   rounds=rounds, images=bench.images)  # fmt: skip
