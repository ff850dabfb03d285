"""PLOP's distillation and pseudo-labels, and NeST's pre-tuning of new classifiers."""

import math

import torch
import torch.nn.functional as F

from tests.adapters import adapter
from utils.losses import cross_entropy, unbiased_cross_entropy
from utils.pod import Layer, pod, pod_schedule, top_channel_of_new
from utils.thresholds import (
    adaptive_factor,
    confidence_scores,
    entropy_scores,
    max_entropy,
    pseudo_labels,
    published_median_of,
    score_histogram,
    thresholds_from,
)


def graded(tensor):
    """A leaf to differentiate by."""
    return tensor.detach().clone().requires_grad_()


def family(inputs, prefix):
    """The arrays `prefix`0, `prefix`1, ... in order."""
    names = [name for name in inputs if name.startswith(prefix) and name[len(prefix) :].isdigit()]
    return [inputs[name] for name in sorted(names, key=lambda name: int(name[len(prefix) :]))]


def gradients(loss, leaves):
    """Gradient of `loss` by each named leaf, zeros where there is none."""
    names, tensors = zip(*leaves.items(), strict=True)
    found = torch.autograd.grad(loss, tensors, allow_unused=True, materialize_grads=True)
    return dict(zip((f"grad_{name}" for name in names), found, strict=True))


def pod_layers(params, count):
    """The published options as one `Layer` per map: what "before" sets stays in force for the last one."""
    options = params.get("pod_options") or {}
    switch = options.get("switch", {})
    chosen = {
        "type": params.get("collapse_channels", params.get("pod", "local")),
        "prepro": params.get("prepro", params.get("pod_prepro", "pow")),
        "factor": params["pod_factor"],
    }
    layers = []
    for index in range(count):
        last = index == count - 1
        place = switch.get("after" if last else "before", {})
        chosen |= {key: place[key] for key in chosen if key in place}
        scales = place.get("spp_scales", params["spp_scales"]) if last else params["spp_scales"]
        distance = options.get("difference_function" if last else "difference_function_all", "frobenius")
        layers.append(
            Layer(
                factor=chosen["factor"],
                pooling=chosen["type"],
                scales=tuple(scales),
                prepare=chosen["prepro"],
                extra_channels=place.get("extra_channels", "sum") if last else "sum",
                per_scale={True: "area", False: "equal", "spm": "spm"}[switch.get("normalize_per_scale", False)],
                normalise=bool(place.get("norm", False)),
                distance="l1" if distance == "l1" else "l2",
            )
        )
    return layers


def pod_total(old_maps, maps, params):
    """The project's POD under the published options."""
    schedule = pod_schedule(params["nb_current_classes"], params.get("nb_new_classes", params["n_new"]))
    layers = pod_layers(params, len(maps))
    return pod(old_maps, maps, layers, schedule=schedule if params["use_pod_schedule"] else 1.0)


@adapter("plop_nest.pod")
def local_pod(inputs, params):
    old_maps, maps = family(inputs, "old_"), [graded(new) for new in family(inputs, "new_")]
    leaves = {f"new_{index}": leaf for index, leaf in enumerate(maps)}
    if params.get("pod_deeplab_mask"):
        old, new = top_channel_of_new(old_maps[-1], maps[-1], inputs["labels"])
        old_maps, maps = [*old_maps[:-1], old], [*maps[:-1], new]
        after = params["pod_options"].setdefault("switch", {}).setdefault("after", {})
        after |= {"prepro": "none", "factor": params.get("pod_deeplab_mask_factor") or params["pod_factor"]}
    loss = pod_total(old_maps, maps, params)
    return {"loss": loss} | gradients(loss, leaves)


@adapter("plop_nest.thr")
def thresholds(inputs, params):
    num_seen = params["nb_current_classes"]
    counts = 0
    for logits, labels in zip(
        inputs["logits_old"].split(params["batches"]), inputs["labels"].split(params["batches"]), strict=True
    ):
        entropy = params["mode"] == "entropy"
        classes, scores = entropy_scores(logits, num_seen) if entropy else confidence_scores(logits)
        counts += score_histogram(classes, scores, labels, num_seen=num_seen, num_bins=params["nb_bins"])
    if entropy:
        found = thresholds_from(counts, params["threshold"])
    else:  # caps the median instead of raising it
        found = torch.tensor([published_median_of(row) for row in counts.tolist()]).clamp(max=params["threshold"])
    return {"histogram": counts, "thresholds": found, "max_entropy": torch.tensor(max_entropy(num_seen))}


def classification(inputs, params, logits):
    """Pseudo-labels, factor and the classification part of the loss."""
    num_old, num_seen = params["n_old"], params["nb_current_classes"]
    labels, factor = inputs["labels"], torch.ones(())
    found = {}
    if params["pseudo"] is None:
        after = labels
    else:
        everything = torch.full((num_seen,), math.inf)  # "naive": believe the teacher always
        classes, scores = entropy_scores(inputs["outputs_old"], num_seen)
        after, believed = pseudo_labels(
            labels, classes, scores, thresholds=inputs.get("thresholds", everything), num_old=num_old
        )
        if params["classif_adaptive_factor"]:
            minimum = params["classif_adaptive_min_factor"]
            factor = adaptive_factor(labels, believed, num_old=num_old, minimum=minimum)
        found = {
            "mask_valid_pseudo": believed,
            "normalised_entropy": scores,
            "classif_adaptive_factor": factor,
        }
    loss = cross_entropy(logits, after)
    if "ce_on_pseudo" in params["classification"]:
        accepted = believed & (labels < num_old)
        loss = torch.where(accepted, loss, unbiased_cross_entropy(logits, labels, num_old))
    return found | {"labels_after": after, "loss_ce": (loss * factor).mean()}


@adapter("plop_nest.pseudo_ce", "plop_nest.plop_total")
def plop_loss(inputs, params):
    maps = [graded(new) for new in family(inputs, "new_")]
    leaves = {f"new_{index}": leaf for index, leaf in enumerate(maps)}
    if maps:
        small = graded(inputs["sem_logits_small"])
        leaves["sem_logits_small"] = small
        size = inputs["labels"].shape[-2:]
        logits = F.interpolate(small, size=size, mode="bilinear", align_corners=False)
    else:
        logits = leaves["outputs_new"] = graded(inputs["outputs_new"])
    found = classification(inputs, params, logits)
    found |= {"loss_pod": torch.zeros(()), "loss_kd": torch.zeros(())}
    if maps:
        old_maps = [*family(inputs, "old_"), inputs["sem_logits_small_old"]]
        found["loss_pod"] = pod_total(old_maps, [*maps, small], params)
    total = found["loss_ce"] + found["loss_pod"]
    return found | {"loss_total": total} | gradients(total, leaves)
