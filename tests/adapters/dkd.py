"""DKD's losses, initialisation, decision and metrics."""

import torch
from torch import nn

from methods.sigmoid_heads import sigmoid_decision
from metrics.confusion import ConfusionMatrix
from metrics.scores import group_scores, harmonic
from modules.classifiers import init_from_first
from tests.adapters import adapter
from tests.adapters.losses import graded
from tests.adapters.rcil_branches import part_of
from utils.losses.evidence import evidence, new_class_bce
from utils.losses.pixelwise import binary_distillation, softplus


@adapter("dkd.mbce", "eir.inactive_wbce")
def mbce(inputs, params):
    logits, labels = graded(inputs["in_logits"]), inputs["in_labels" if "in_labels" in inputs else "in_label"]
    num_old = params["num_old"] if "num_old" in params else params["n_old_plus_bg"]
    loss = new_class_bce(logits, labels, num_old=num_old, pos_weight=params["pos_weight"]).mean()
    loss.backward()
    # Each class alone; the others' pixels are among its negatives.
    means = [
        new_class_bce(channel, labels, num_old=num_old + number, pos_weight=params["pos_weight"]).mean()
        for number, channel in enumerate(logits.detach().split(1, dim=1))
    ]
    return {"out_loss": loss, "out_per_class": torch.stack(means), "out_grad_logits": logits.grad}


@adapter("dkd.kd_ac")
def kd_ac(inputs, params):
    logits, old_logits = graded(inputs["in_logits"]), inputs["in_old_logits"]
    kd = binary_distillation(logits[:, 1:], old_logits[:, 1:]).mean()
    ac = softplus(logits[:, 0]).mean()
    (kd + ac).backward()
    return {"out_kd": kd, "out_ac": ac, "out_grad_logits": logits.grad}


def real_classifiers(inputs, prefix):
    """Weights (C, D, 1, 1) of each classifier but the auxiliary one."""
    found = part_of(inputs, f"{prefix}state.cls.")
    return [found[f"{number}.weight"] for number in range(1, sum(key.endswith("weight") for key in found))]


@adapter("dkd.decomposed")
def decomposed(inputs, params):
    features, weights = graded(inputs["in_features"]), [*map(graded, real_classifiers(inputs, ""))]
    positive, negative = evidence(features, torch.cat(weights))
    targets = evidence(inputs["in_old_features"], torch.cat(real_classifiers(inputs, "old_")))
    pairs = zip((positive, negative), targets, strict=True)
    dkd_positive, dkd_negative = (binary_distillation(score, old).mean() for score, old in pairs)
    (dkd_positive + dkd_negative).backward()
    return {
        "out_positive": positive,
        "out_negative": negative,
        "out_dkd_positive": dkd_positive,
        "out_dkd_negative": dkd_negative,
        "out_grad_features": features.grad,
        "out_grad_weight_1": weights[0].grad,
    }


@adapter("dkd.init")
def init(inputs, params):
    found = part_of(inputs, "state.cls.")
    rows, channels = [1, *params["classes"]], found["0.weight"].shape[1]
    classifiers = nn.ModuleList(nn.Conv2d(channels, count, 1) for count in rows).double()
    classifiers.load_state_dict(found)
    init_from_first(classifiers)
    return {"out_weight": classifiers[-1].weight, "out_bias": classifiers[-1].bias}


@adapter("dkd.predict")
def predict(inputs, params):
    return {"out_prediction": sigmoid_decision(inputs["in_logits"])}


@adapter("dkd.metrics")
def metrics(inputs, params):
    matrix = ConfusionMatrix(params["num_classes"])
    matrix.update(inputs["in_labels"], inputs["in_prediction"])
    groups = {
        "miou": range(params["num_classes"]),
        "old": range(params["num_old"]),
        "new": range(params["num_old"], params["num_classes"]),
    }
    means = {name: group_scores(matrix.counts, classes)["miou"] for name, classes in groups.items()}
    means["harmonic"] = harmonic(means["old"], means["new"])
    return {f"out_{name}": torch.tensor(100 * value, dtype=torch.float64) for name, value in means.items()}
