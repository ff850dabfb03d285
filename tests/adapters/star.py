"""STAR."""

import torch
from torch import nn

from methods.star import STAR, SilentBackground
from tasks import Step
from tests.adapters import adapter
from tests.adapters.mib_methods import Head
from tests.adapters.plop import family
from utils.losses.cells import Cells
from utils.losses.prototype_replay import (
    Gathering,
    Statistics,
    prototype_contrast,
    prototype_distillation,
    seen_classes,
)


def cells_of(labels, features):
    """The grid of the features."""
    return Cells(labels.shape[-2:], features.shape[-2:], labels.device)


def statistics(inputs):
    """What the case knows of the old classes."""
    return Statistics(inputs["in_old_prototypes"], inputs["in_old_norms"], inputs["in_old_noise"])


@adapter("star.region")
def region(inputs, params):
    labels, classes = inputs["in_labels"], seen_classes(inputs["in_old_logits"])
    few = [side // params["stride"] for side in labels.shape[-2:]]
    cells = Cells(labels.shape[-2:], few, labels.device)
    unknown = (cells.centre(classes) == 0) & (cells.centre(labels) == 0)
    return {
        "out_classes": classes,
        "out_region": (labels == 0) & (classes > 0),
        "out_background": unknown,
    }


@adapter("star.pkd")
def pkd(inputs, params):
    features = inputs["in_features"].requires_grad_()
    cells = cells_of(inputs["in_region"], features)
    weights = cells.reduce(cells.corners(inputs["in_region"]), features.dtype)
    loss = prototype_distillation(features, inputs["in_old_features"], weights)
    loss.backward()
    return {"out_loss": loss, "out_grad_features": features.grad}


@adapter("star.contrast")
def contrast(inputs, params):
    features, labels = inputs["in_features"].requires_grad_(), inputs["in_labels"]
    cells = cells_of(labels, features)
    new = torch.arange(params["num_new"])[:, None, None] + params["num_old"]
    shares = cells.reduce(cells.corners(labels)[:, None] == new, features.dtype)
    loss = prototype_contrast(features, shares, inputs["in_prototypes"])
    loss.backward()
    return {"out_loss": loss, "out_grad_features": features.grad}


@adapter("star.statistics")
def gathered(inputs, params):
    first = len(inputs["in_old_prototypes"]) + 1
    gathering = Gathering(params["num_new"], inputs["in_features_0"].shape[1], torch.device("cpu"))
    for batch in range(sum(name.startswith("in_features_") for name in inputs)):
        features, labels = inputs[f"in_features_{batch}"], inputs[f"in_labels_{batch}"]
        gathering.add(features, cells_of(labels, features).centre(labels) - first)
    found, _ = gathering.finish(statistics(inputs))
    corrected, _ = gathering.finish(statistics(inputs), published=False)
    return {
        "out_prototypes": found.prototypes,
        "out_norms": found.norms,
        "out_noise": found.noise,
        "out_noise_corrected": corrected.noise[first - 1 :],
    }


PREFIXES = ("state.", "old_state.")  # of student and teacher


class Body(nn.Module):
    """A 1x1 convolution after average pooling."""

    def __init__(self, weight, stride):
        super().__init__()
        self.pool, self.c = nn.AvgPool2d(stride), nn.Conv2d(weight.shape[1], weight.shape[0], 1)

    def forward(self, images):
        return self.c(self.pool(images)), {}


def network(state, classes, stride):
    """The network of the case, whose classifiers start with that of class 1."""
    weight = state["backbone.c.weight"]
    net = SilentBackground(Body(weight, stride), Head(len(weight), nn.ReLU()), [1, *classes]).double()
    named = {key.replace("backbone", "body"): value for key, value in state.items()}
    for key in [key for key in named if key.startswith("cls.")]:
        _, number, kind = key.split(".")
        named[f"own.{int(number) + 1}.{kind}"] = named.pop(key)
    named = {key.replace("own.", "cls."): value for key, value in named.items()}
    assert not net.load_state_dict(named, strict=False).unexpected_keys
    return net


@adapter("star.iteration")
def iteration(inputs, params):
    images, labels, classes = inputs["in_images"], inputs["in_labels"], params["classes"]
    order = iter(range(sum(classes) + 1))
    groups = tuple(tuple(next(order) for _ in range(n)) for n in (classes[0] + 1, *classes[1:]))
    hyper = {name: params[name] for name in ("pos_weight", "pkd", "contrast")}
    method = STAR(Step("test", "test", len(classes) - 1, groups), **hyper)
    states = [{k.removeprefix(p): v for k, v in inputs.items() if k.startswith(p)} for p in PREFIXES]
    method.net, method.teacher = (
        network(state, classes[: len(classes) - late], 16) for late, state in enumerate(states)
    )
    method.model, method.known, method.numbers = method.net, statistics(inputs), inputs["in_old_numbers"]
    method.disjoint = params["setting"] == "disjoint"
    method.plan = method.make_plan(method.count_seen(images, labels), params["batches"])
    draws = [family(inputs, f"in_{kind}_draw_") for kind in ("noise", "norm")]
    method.draws = lambda shape, like: [torch.cat(drawn) for drawn in draws]
    losses = method.losses(images, labels)
    sum(losses.values()).backward()
    newest = method.net.cls[-1]
    return {
        "out_loss": sum(losses.values()),
        "out_grad_body": method.net.body.c.weight.grad,
        "out_grad_weight": newest.weight.grad,
        "out_grad_bias": newest.bias.grad,
        "out_counts": torch.tensor(method.plan.counts),
        "out_numbers": method.handed_on(inputs["in_new_numbers"]),
    }
