"""What only the published code does or says, for goldens that store it."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from config.published_command_lines import SAME, num_steps
from config.published_flags import COMBINATIONS, METHOD_OPTIONS, PRECISION
from task_tables import NUM_DOMAINS
from utils.losses.pod import _wide, fold_extra_channels


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
    old: Tensor, new: Tensor, labels: Tensor, *, extra_channels: str = "sum"
) -> tuple[Tensor, Tensor]:  # (N, C_old, h, w), (N, C, h, w), (N, H, W)
    """Strongest squared channel of both logit maps at label size, 0 on old classes: both (N, 1, H, W).

    To be compared by a `Layer` with prepare="none" (published `pod_deeplab_mask`, which no script uses).
    """
    num_old = old.shape[1]
    new = fold_extra_channels(new, num_old, extra_channels)
    tops = [_wide(maps).square().amax(1, keepdim=True) for maps in (old, new)]
    tops = [F.interpolate(top, size=labels.shape[-2:], mode="bilinear", align_corners=False) for top in tops]
    return tuple(top.masked_fill(labels.unsqueeze(1) < num_old, 0) for top in tops)
