"""The growing list of 1x1 classifiers: initialisation of new rows, and grouping of rows by step."""

import math

import torch
from torch import Tensor


@torch.no_grad()
def init_from_background(classifiers) -> None:
    """Initialise new rows from the background's, dividing its probability among them (MiB section 3.2).

    New weights are the background's; new biases and the background's own become b_bg - log(n_new + 1).
    """
    first, newest = classifiers[0], classifiers[-1]
    bias = first.bias[0] - math.log(newest.out_channels + 1)
    newest.weight.copy_(first.weight[:1].expand_as(newest.weight))
    newest.bias.fill_(bias)
    first.bias[0] = bias


@torch.no_grad()
def init_weights_from_background(classifiers) -> None:
    """Initialise new weight rows from the background's; unlike in MiB, biases do not change."""
    newest = classifiers[-1]
    newest.weight.copy_(classifiers[0].weight[:1].expand_as(newest.weight))


@torch.no_grad()
def init_from_first(classifiers) -> None:
    """Start the newest rows and biases as those of the first classifier, which has one (DKD)."""
    first, newest = classifiers[0], classifiers[-1]
    newest.weight.copy_(first.weight.expand_as(newest.weight))
    newest.bias.copy_(first.bias.expand_as(newest.bias))


def regroup(weights: dict[str, Tensor], heads: list[int]) -> dict[str, Tensor]:
    """`weights` with the same classifier rows, regrouped into classifiers of `heads` rows.

    Networks of tasks with the same class order and other class counts per step differ in nothing else.
    Classifiers that are more than one convolution (`cls.0.0.weight`) stay as they are.
    """
    names = [name for name in weights if name.startswith("cls.") and name.count(".") == 2]
    count = len({name.split(".")[1] for name in names})
    regrouped = {name: tensor for name, tensor in weights.items() if name not in names}
    for kind in dict.fromkeys(name.split(".", 2)[2] for name in names):  # weight, bias
        rows = torch.cat([weights[f"cls.{index}.{kind}"] for index in range(count)])
        for index, part in enumerate(rows.split(heads)):
            regrouped[f"cls.{index}.{kind}"] = part.clone()
    return regrouped
