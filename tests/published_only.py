"""What only the published code does or says, for goldens that store it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from config.published_command_lines import SAME, num_steps
from config.published_flags import COMBINATIONS, METHOD_OPTIONS, PRECISION
from task_tables import NUM_DOMAINS
from utils.losses.pixelwise import at_least_float32
from utils.losses.pod import SCALES, fold_extra_channels, pod, strip_sums


def published_options(values: Mapping[str, object], *, processes: int = 1) -> dict[str, object]:
    """What `values` (our resolved flags and hyper-parameters) are in published terms.

    Options of methods are left out where they are as the published parser assumes.

    Args:
        values: of a run of a method that the published systems have.
        processes: that share the batch.
    """
    grows = values["dataset"] not in NUM_DOMAINS
    fitting = [one for one in COMBINATIONS if one.method == values["method"] and (one.grows or not grows)]
    combination = fitting[-1]
    options = METHOD_OPTIONS | {name: value for name, value in combination.idle.items() if value is not None}
    options |= combination.needs | {option: values[name] for option, name in combination.hyper.items()}
    if "pod_options" in combination.hyper:
        own = {"extra_channels": "sum", "factor": values["pod_logits_factor"], "type": "local"}
        options["pod_options"] = {"switch": {"after": own}} if own["factor"] != values["pod_factor"] else {}
    if "classif_adaptive_factor" in combination.hyper:
        used = values["adaptive_min"] != 1.0
        options |= {
            "classif_adaptive_factor": used,
            "classif_adaptive_min_factor": values["adaptive_min"] if used else 0.0,
        }
    if "reg_no_normalize" in combination.hyper:
        options["reg_no_normalize"] = not values["reg_normalize"]
    options = {name: value for name, value in options.items() if value != METHOD_OPTIONS[name]}
    options |= {name: values[name] for name in SAME.split()}
    options |= {
        "method": "FT",
        "step": [int(step) for step in values["step"]],
        "epochs": values["epochs"][0],  # theirs are the same for all steps of a command
        "batch_size": values["batch_size"] // processes,
        "overlap": values["setting"] == "overlap",
        "data_masking": values["masking"],
        "crop_val": values["eval"] == "crop",
        "random_seed": values["seed"],
        "opt_level": {precision: level for level, precision in PRECISION.items()}[values["precision"]],
    }
    if options.get("pre_allocate"):
        options["task_num"] = num_steps(values["dataset"], values["task"])
    return options


def spilled(counts: Tensor) -> Tensor:  # (C, K) -> (C, C)
    """The square matrix that RevisitingCSS makes of `counts`, to compare with its numbers.

    There a prediction p >= C of true class y is booked at flat index C * y + p, that is as class y + p // C
    predicted as p % C. Pixels beyond the last cell, at which that code stops with an error, are left out.
    """
    num_classes, num_columns = counts.shape
    rows, columns = torch.meshgrid(torch.arange(num_classes), torch.arange(num_columns), indexing="ij")
    flat = (num_classes * rows + columns).to(counts.device)
    inside = flat < num_classes**2
    square = counts.new_zeros(num_classes**2)
    return square.index_add_(0, flat[inside], counts[inside]).view(num_classes, num_classes)


def top_channel_of_new(
    old: Tensor, new: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:  # (N, C_old, h, w), (N, C, h, w), (N, H, W)
    """Strongest squared channel of both logit maps at label size, 0 on old classes: both (N, 1, H, W).

    To be compared by a `Layer` with prepare="none" (published `pod_deeplab_mask`, which no script uses).
    """
    num_old = old.shape[1]
    new = fold_extra_channels(new, num_old)
    tops = [at_least_float32(maps).square().amax(1, keepdim=True) for maps in (old, new)]
    tops = [F.interpolate(top, size=labels.shape[-2:], mode="bilinear", align_corners=False) for top in tops]
    return tuple(top.masked_fill(labels.unsqueeze(1) < num_old, 0) for top in tops)


PREPARE = {"pow": torch.square, "relu": F.relu, "none": lambda maps: maps}


@dataclass(frozen=True)
class Layer:
    """How the published code compares one map; the defaults are those of every script.

    Args:
        factor: weight of the layer; at 0 or below it contributes nothing, but still counts in the mean.
        pooling: "local" (strips of regions), "spatial" (sums over rows and over columns), or "global" (the
            same after average pooling).
        scales: regions per axis, one entry per scale.
        prepare: what happens to a map first: "pow" (square), "relu" or "none".
        extra_channels: channels that only the student has are added to channel 0 ("sum") or left out
            ("trim").
        per_scale: strips of scale s count "equal", divided by s^2 ("area"), or as in spatial pyramids
            ("spm").
        normalise: L2-normalise the strips of each image.
        distance: "l2" or "l1".
    """

    factor: float
    pooling: str = "local"
    scales: tuple[int, ...] = SCALES
    prepare: str = "pow"
    extra_channels: str = "sum"
    per_scale: str = "equal"
    normalise: bool = False
    distance: str = "l2"


def published_pod(
    old_maps: Sequence[Tensor], maps: Sequence[Tensor], layers: Sequence[Layer], *, schedule: float
) -> Tensor:
    """The project's POD; with options that no script uses, POD as the published code computes it."""
    factors = [layer.factor for layer in layers]
    if list(layers) == [Layer(factor) for factor in factors]:
        return pod(old_maps, maps, factors, schedule=schedule)
    total = 0.0
    for old, new, layer in zip(old_maps, maps, layers, strict=True):
        if layer.factor > 0:
            total = total + layer.factor * schedule * variant(old, new, layer).mean()
    return total / len(layers)


def variant(old: Tensor, new: Tensor, layer: Layer) -> Tensor:  # (N, C_old, h, w), (N, C, h, w)
    """Distance of the two maps of each image, (N,)."""
    if new.shape[1] != old.shape[1]:
        trim = layer.extra_channels == "trim"
        new = new[:, : old.shape[1]] if trim else fold_extra_channels(new, old.shape[1])
    prepared = [PREPARE[layer.prepare](at_least_float32(maps)) for maps in (new, old)]
    new, old = (torch.cat(pooled(maps, layer), dim=1) for maps in prepared)
    if layer.normalise:
        new, old = F.normalize(new), F.normalize(old)
    return torch.linalg.vector_norm(new - old, ord={"l1": 1, "l2": 2}[layer.distance], dim=1)


def pooled(maps: Tensor, layer: Layer) -> list[Tensor]:  # (N, C, h, w)
    """What is compared of prepared maps: vectors (N, ...)."""
    if layer.pooling == "spatial":
        return [maps.sum(3).flatten(1), maps.sum(2).flatten(1)]
    if layer.pooling == "global":
        grids = [F.avg_pool2d(maps, maps.shape[-1] // scale) for scale in layer.scales]
        return [grid.sum(axis).flatten(1) for grid in grids for axis in (3, 2)]
    assert layer.pooling == "local", f"unknown pooling {layer.pooling}"
    sums, width, count = strip_sums(maps, layer.scales), maps.shape[-1], len(layer.scales)
    weights = {
        "equal": dict.fromkeys(layer.scales, 1.0),
        "area": {scale: 1 / scale**2 for scale in layer.scales},
        "spm": {scale: 2.0 ** -(count - max(number, 1)) for number, scale in enumerate(layer.scales)},
    }[layer.per_scale]
    return [part.flatten(1) * (weights[s] / (width // s)) for s in layer.scales for part in sums[s]]
