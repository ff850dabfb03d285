"""SegACIL's closed form, decision and pseudo-labels."""

import torch

from methods.closed_form_net import ClosedFormNet, NoHead, WideHead
from methods.segacil import SegACIL
from segmentation_module import Output
from tasks import Step
from tests.adapters import adapter
from tests.published_only import recursive_ridge
from utils.losses.closed_form import expand, ridge
from utils.losses.moments import Moments


def batches(inputs, params):
    """Features as maps (N, B, h, w), labels (N, h, w) and number of each batch."""
    for k in range(params["num_batches"]):
        labels = inputs[f"in_labels_{k}"]
        yield inputs[f"in_features_{k}"].mT.unflatten(2, labels.shape[1:]), labels, k


def gathered(inputs, params, *, by_class: bool) -> Moments:
    """The moments of all batches."""
    num_classes, width = params["num_classes"], inputs["in_features_0"].shape[-1]
    moments = Moments.zeros(num_classes, width, num_products=num_classes if by_class else 1)
    for features, labels, _ in batches(inputs, params):
        moments.add(features, labels)
    return moments


def answered(scores, size) -> Output:
    """What the network gives whose classifiers put out `scores` (N, h, w, C)."""
    small, num_classes = scores.movedim(-1, 1), scores.shape[-1]
    head = WideHead(NoHead(num_classes))
    net = ClosedFormNet(torch.nn.Identity(), head, [num_classes], sigmoid=SegACIL.sigmoid).to(scores)
    net.set_classifiers(torch.eye(num_classes), torch.zeros(num_classes))
    return Output(net.classify(small), small, small, {}, tuple(size))


@adapter("segacil.expand")
def random_features(inputs, params):
    maps = inputs["in_features"].mT.unsqueeze(-1)
    return {"out_expanded": expand(maps, inputs["in_weight"]).squeeze(-1).mT}


@adapter("segacil.recursive")
def recursion(inputs, params):
    first = inputs["in_features_0"]
    inverse = torch.eye(first.shape[-1], dtype=first.dtype) / params["gamma"]
    weight = first.new_zeros(0, first.shape[-1])
    for features, labels, k in batches(inputs, params):
        weight = torch.cat([weight, inputs[f"in_start_{k}"].mT])
        inverse, weight = recursive_ridge(inverse, weight, features, labels)
    return {"out_weight": weight.mT, "out_R": inverse}


@adapter("segacil.joint")
def joint(inputs, params):
    return {"out_weight": ridge(gathered(inputs, params, by_class=False), gamma=params["gamma"]).mT}


@adapter("segacil.balanced")
def balanced(inputs, params):
    return {"out_weight": ridge(gathered(inputs, params, by_class=True), gamma=params["gamma"]).mT}


@adapter("segacil.predict")
def predict(inputs, params):
    out = answered(inputs["in_scores"], (params["size"],) * 2)
    method = SegACIL(Step("case", "case", 0, (tuple(range(out.logits.shape[1])),)))
    return {"out_prediction": method.predict(out.logits)}


@adapter("segacil.pseudo")
def pseudo_labels(inputs, params):
    """The method at a step after one class more than the old network knows."""
    labels, scores = inputs["in_labels"], inputs["in_old_scores"]
    out, num_old = answered(scores, labels.shape[1:]), scores.shape[-1]
    step = Step("case", "case", 1, (tuple(range(num_old)), (num_old,)))
    method = SegACIL(step, relabel=True, threshold=params["threshold"])
    return {"out_labels": method.targets(labels, out)}
