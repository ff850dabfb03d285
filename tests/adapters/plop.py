"""PLOP's distillation and pseudo-labels."""

import math

import torch

from methods.plop import PLOP
from segmentation_module import Output
from tasks import Step
from tests.adapters import adapter
from tests.published_only import Layer, published_pod, top_channel_of_new
from utils.losses.pixelwise import cross_entropy, unbiased_cross_entropy
from utils.losses.pod import pod_schedule
from utils.losses.pseudo_labels import (
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
                per_scale={True: "area", "spm": "spm"}.get(switch.get("normalize_per_scale"), "equal"),
                normalise=bool(place.get("norm", False)),
                distance="l1" if distance == "l1" else "l2",
            )
        )
    return layers


def pod_total(old_maps, maps, params):
    """The project's POD under the published options."""
    schedule = pod_schedule(params["nb_current_classes"], params.get("nb_new_classes", params["n_new"]))
    layers = pod_layers(params, len(maps))
    return published_pod(old_maps, maps, layers, schedule=schedule if params["use_pod_schedule"] else 1.0)


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
        medians = torch.tensor([published_median_of(row) for row in counts.tolist()])
        found = medians.clamp(max=params["threshold"])
    return {"histogram": counts, "thresholds": found, "max_entropy": torch.tensor(max_entropy(num_seen))}


def method_of(params, layers, thresholds):
    """PLOP at a step with the case's numbers of classes, as `run.py` would have prepared it."""
    num_old, num_seen = params["n_old"], params["nb_current_classes"]
    old = tuple(range(num_old))
    new = tuple(range(num_old, num_seen)) or old  # by domain: the same classes again
    method = PLOP(
        Step("case", "case", 1, (old, new), has_background=new != old),
        pod_factor=layers[0].factor if layers else 0.0,
        pod_logits_factor=layers[-1].factor if layers else 0.0,
        adaptive_min=params["classif_adaptive_min_factor"] if params["classif_adaptive_factor"] else 1.0,
    )
    method.thresholds = thresholds
    return method


def outputs_of(maps, small, size):
    """What a network would have returned: stage maps, features and logits."""
    *stages, features = maps or [small]
    return Output(small, features, features, dict(enumerate(stages)), tuple(size))


@adapter("plop_nest.pseudo_ce", "plop_nest.plop_total")
def plop_loss(inputs, params):
    labels, num_old, num_seen = inputs["labels"], params["n_old"], params["nb_current_classes"]
    maps = [graded(new) for new in family(inputs, "new_")]
    leaves = {f"new_{index}": leaf for index, leaf in enumerate(maps)}
    name = "sem_logits_small" if maps else "outputs_new"
    leaves[name] = small = graded(inputs[name])
    old_small = inputs["sem_logits_small_old"] if maps else inputs["outputs_old"]
    out = outputs_of(maps, small, labels.shape[-2:])
    old = outputs_of(family(inputs, "old_"), old_small, labels.shape[-2:])

    everything = torch.full((num_seen,), math.inf)  # "naive": believe the teacher always
    layers = pod_layers(params, len(maps) + 1) if maps else []
    method = method_of(params, layers, inputs.get("thresholds", everything))
    method.model, method.teacher = (lambda images: out), (lambda images: old)
    losses = method.losses(torch.empty(0), labels)
    after, factor = method.relabel(labels, old) if method.step.grows else (labels, None)
    classes, scores = method.scores(old)
    _, believed = pseudo_labels(labels, classes, scores, thresholds=method.thresholds, num_old=num_old)
    # What the method does not offer, but is made of its parts:
    if "ce_on_pseudo" in params["classification"]:
        parts = cross_entropy(out.logits, after), unbiased_cross_entropy(out.logits, labels, num_old)
        losses["ce"] = (torch.where(believed & (labels < num_old), *parts) * factor).mean()
    if params["pseudo"] is None and method.step.grows:
        losses["ce"], after = cross_entropy(out.logits, labels).mean(), labels
    plain = [Layer(layer.factor) for layer in layers]
    if maps and (layers != plain or not params["use_pod_schedule"]):
        losses["pod"] = pod_total([*family(inputs, "old_"), old_small], [*maps, small], params)
    total = losses["ce"] + losses["pod"]
    return {
        "labels_after": after,
        "mask_valid_pseudo": believed,
        "normalised_entropy": scores,
        "classif_adaptive_factor": factor,
        "loss_ce": losses["ce"],
        "loss_pod": losses["pod"],
        "loss_kd": torch.zeros(()),
        "loss_total": total,
    } | gradients(total, leaves)
