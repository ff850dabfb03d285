"""BARM."""

import torch
from torch import nn

from methods.barm import BARM, ResidualBranches
from modules.residual_branches import unified
from segmentation_module import Output
from tasks import Step
from tests.adapters import adapter
from utils.losses.pixelwise import sigmoid_pseudo_labels


def network(state, rows):
    """The network of the case, behind a head that hands the stored features on."""
    head = nn.Identity()
    head.out_channels = state["head_pre.0.weight"].shape[0]
    net = ResidualBranches(nn.Identity(), head, [rows[0] + rows[1], *rows[2:]], dropout=0.0).double()
    kinds = {"0.weight": "conv.weight"} | {
        f"1.{kind}": f"norm.{kind}" for kind in ("weight", "bias", "running_mean", "running_var")
    }
    named = {}
    for key, value in state.items():
        part, _, rest = key.partition(".")
        number, _, kind = rest.partition(".")
        if part == "head_pre":
            named[f"branches.0.{kinds[rest]}"] = value
        elif part == "ear":
            named[f"branches.{int(number) + 1}.{kinds[kind]}"] = value
        elif number == "0":
            named[f"cls.0.{kind}"] = value
        else:
            named[f"corrections.{int(number) - 1}.{kind}"] = value[:1]
            named[f"cls.{number}.{kind}"] = value[1:]
    net.load_state_dict(named)
    return net.eval()


def part_of(inputs, prefix):
    """The state dict under `prefix`."""
    return {key.removeprefix(prefix): value for key, value in inputs.items() if key.startswith(prefix)}


def answer(net, features, size):
    """The network's `Output` for stored features."""
    return Output(*net.respond(features)[:1], features, features, {}, size, net.respond(features)[1])


@adapter("barm.heads")
def heads(inputs, params):
    net = network(part_of(inputs, "state."), params["rows"])
    raw, _ = BARM.said(answer(net, inputs["in_features"], (1, 1)))
    return {
        "out_logits": unified(raw, learning=False),
        "out_training_logits": unified(raw, learning=True),
    }


@adapter("barm.losses")
def losses(inputs, params):
    labels, features, rows = inputs["in_labels"], inputs["in_features"].requires_grad_(), params["rows"]
    size = tuple(labels.shape[-2:])
    sizes = [rows[0] + rows[1], *rows[2:]]
    order = iter(range(sum(sizes)))
    groups = tuple(tuple(next(order) for _ in range(count)) for count in sizes)
    method = BARM(Step("test", "test", len(groups) - 1, groups), threshold=params["threshold"])
    method.net = network(part_of(inputs, "state."), rows)
    with torch.no_grad():
        old = answer(network(part_of(inputs, "old_state."), rows[:-1]), inputs["in_old_features"], size)
    found = method.incremental_losses(answer(method.net, features, size), old, labels)
    loss = sum(found.values())
    loss.backward()
    newest = [method.net.corrections[-1], method.net.cls[-1]]
    old_logits = Output(unified(BARM.said(old)[0], learning=False), *[features] * 2, {}, size).logits
    return {
        "out_bce": found["bce"],
        "out_background": found["bg"] / method.loss_bg,
        "out_new": found["new"] / method.loss_new,
        "out_features": found["features"] / method.loss_features,
        "out_kd": found["kd"] / method.loss_kd,
        "out_loss": loss,
        "out_grad_features": features.grad,
        "out_grad_weight": torch.cat([classifier.weight.grad for classifier in newest]),
        "out_labels": sigmoid_pseudo_labels(old_logits, labels, threshold=method.threshold),
    }
