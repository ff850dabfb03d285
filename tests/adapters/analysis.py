"""Probing, prototypes and their similarity to classifier rows."""

import torch
from torch import nn

from analysis.linear_probe import Probe, fit_probe
from analysis.prototypes import (
    ClassMeans,
    blended_labels_at,
    cosines,
    published_labels_at,
    taught_rows,
)
from segmentation_module import SegmentationModel
from tasks import named_step
from tests.adapters import adapter
from tests.adapters.dft import load_rows
from tests.adapters.mib_methods import Head
from train import Training


class NoBody(nn.Module):
    """A backbone without weights."""


@adapter("dft.probe")
def probe(inputs, params):
    step = named_step("shapes", params["num_classes"], "offline-probing", 0)
    net = SegmentationModel(NoBody(), Head(inputs["weight"].shape[1]), [1]).double()
    fresh = Probe(step, net)
    load_rows(fresh.net, inputs["weight"], inputs["bias"])
    training = Training(params["epochs"], params["lr"], params["weight_decay"], params["poly_power"])
    batches = list(zip(inputs["features"], inputs["labels"], strict=True))
    losses = fit_probe(fresh, lambda epoch: batches, training, num_batches=len(batches))
    return {
        "losses": torch.stack(losses),
        "weight_after": fresh.net.cls[0].weight.detach()[:, :, 0, 0],
        "bias_after": fresh.net.cls[0].bias.detach(),
        "trainable": torch.tensor(sum(parameter.numel() for parameter in fresh.net.trainable())),
    }


@adapter("dft.proto")
def proto(inputs, params):
    features, labels = inputs["features"], inputs["labels"]
    means = ClassMeans(params["num_classes"], features.shape[2])
    small, after_each = [], []
    for batch, batch_labels in zip(features, labels, strict=True):
        small.append(blended_labels_at(batch_labels, batch.shape[-2:]))
        means.update(batch, published_labels_at(batch_labels, batch.shape[-2:]))
        after_each.append(means.means.to(features.dtype))
    return {
        "labels_down": torch.stack(small),
        "prototypes": after_each[-1],
        "prototypes_true_mean": after_each[-1],
        "prototypes_after_each": torch.stack(after_each),
        "counts": means.counts,
    }


@adapter("dft.sim")
def sim(inputs, params):
    num_total = sum(params["cls_sizes"])
    rows = taught_rows(inputs["weight"], sum(params["cls_sizes"][: params["step"] + 1]), num_total)
    return {"class_embedding": rows, "cosine": cosines(inputs["prototypes"], rows)}
