"""Pixel losses of the MiB family and of EIR."""

from tests.adapters import adapter
from utils.labels import IGNORE
from utils.losses.pixelwise import (
    binary_cross_entropy,
    binary_distillation,
    cross_entropy,
    feature_distillation,
    grouped_kd,
    knowledge_distillation,
    multilabel_bce,
    num_with_target,
    sigmoid_pseudo_labels,
    unbiased_cross_entropy,
    unbiased_knowledge_distillation,
)


def graded(tensor):
    """A leaf to differentiate by."""
    return tensor.detach().clone().requires_grad_()


def of_labels(loss, inputs, **arguments):
    """Outputs of a loss map of logits and labels: the map, its mean and gradient, other reductions."""
    logits, labels = graded(inputs["in_logits"]), inputs["in_labels"]
    loss_map = loss(logits, labels, **arguments)
    mean = loss_map.mean()
    mean.backward()
    valid = labels != IGNORE
    return {
        "out_loss_map": loss_map.detach(),
        "out_loss": mean.detach(),
        "out_grad_logits": logits.grad,
        "out_loss_reduction_mean": loss_map[valid].mean().detach(),
        "out_loss_reduction_sum": loss_map.sum().detach(),
    }


@adapter("mib.ce")
def ce(inputs, params):
    return of_labels(cross_entropy, inputs)


@adapter("mib.unce", "mib.unce_plopmask")
def unce(inputs, params):
    if "in_ignore_mask" in inputs:
        labels = inputs["in_labels"].masked_fill(inputs["in_ignore_mask"], IGNORE)
        inputs = {**inputs, "in_labels": labels}
    return of_labels(unbiased_cross_entropy, inputs, num_old=params["old_cl"])


@adapter("mib.bce")
def bce(inputs, params):
    return of_labels(binary_cross_entropy, inputs)


def of_teacher(loss, inputs, params):
    student = graded(inputs["in_student"])
    loss_map = loss(student, inputs["in_teacher"], alpha=params["alpha"], mask=inputs.get("in_mask"))
    mean = loss_map.mean()
    mean.backward()
    return {
        "out_loss_map": loss_map.detach(),
        "out_loss": mean.detach(),
        "out_loss_reduction_sum": loss_map.sum().detach(),
        "out_grad_student": student.grad,
    }


@adapter("mib.kd")
def kd(inputs, params):
    return of_teacher(knowledge_distillation, inputs, params)


@adapter("mib.unkd")
def unkd(inputs, params):
    return of_teacher(unbiased_knowledge_distillation, inputs, params)


@adapter("mib.lwfmc")
def lwfmc(inputs, params):
    student = graded(inputs["in_student"])
    loss = params["icarl_importance"] * binary_distillation(student, inputs["in_teacher"]).mean()
    loss.backward()
    return {"out_loss": loss.detach(), "out_grad_student": student.grad}


@adapter("mib.lde")
def lde(inputs, params):
    features = graded(inputs["in_feat"])
    loss = params["loss_de"] * feature_distillation(features, inputs["in_feat_old"])
    loss.backward()
    return {"out_loss": loss.detach(), "out_grad_feat": features.grad}


@adapter("eir.bce")
def eir_bce(inputs, params):
    logits = graded(inputs["in_logits"])
    targets = inputs["in_target"]
    loss = multilabel_bce(logits, targets).sum() / num_with_target(targets)
    loss.backward()
    return {"out_loss": loss.detach(), "out_grad_logits": logits.grad}


@adapter("eir.rskd_fixed", "eir.rskd_released")
def rskd(inputs, params):
    logits = graded(inputs["in_logits"])
    loss = grouped_kd(
        logits,
        inputs["in_logits_old"],
        group=params["new_class_channels"],
        alpha=params["alpha"],
        mask=inputs.get("in_mask"),
    ).mean()
    loss.backward()
    return {"out_loss": loss.detach(), "out_grad_logits": logits.grad}


@adapter("eir.pseudo_labels")
def eir_pseudo_labels(inputs, params):
    labels = sigmoid_pseudo_labels(inputs["in_logits_old"], inputs["in_label"], threshold=params["threshold"])
    return {"out_pseudo_label": labels}
