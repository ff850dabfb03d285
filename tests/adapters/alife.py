"""ALIFE and ALIFE-M."""

import torch

from methods.alife import ALIFE
from methods.alife_m import ALIFEM
from segmentation_module import Output
from tasks import Step
from tests.adapters import adapter
from utils.losses.class_similarity import class_means
from utils.losses.rotation import alignment_losses, gathered, rotate, rotations


def output(logits):
    """The network's answer with `logits`, which are at label size already."""
    return Output(logits, logits, logits, {}, tuple(logits.shape[-2:]))


def method_of(inputs, kind=ALIFE, **hyper):
    """The method at step 1 of a task with the classes of the case."""
    num_old, num_seen = inputs["in_old_logits"].shape[1], inputs["in_logits"].shape[1]
    groups = (tuple(range(num_old)), tuple(range(num_old, num_seen)))
    return kind(Step("test", "test", 1, groups), **hyper)


@adapter("alife.step1")
def first_stage(inputs, params):
    logits = inputs["in_logits"].requires_grad_()
    method = method_of(inputs, ali=params["ali"], kd=params["kd"])
    losses = method.incremental_losses(output(logits), output(inputs["in_old_logits"]), inputs["in_labels"])
    sum(losses.values()).backward()
    return {f"out_{name}": loss for name, loss in losses.items()} | {"out_grad_logits": logits.grad}


@adapter("alife.rotation")
def rotation(inputs, params):
    vectors = inputs["in_vectors"].T
    matrices = rotations(inputs["in_parameters"], vectors.shape[1])
    return {"out_rotated": rotate(matrices, vectors).T, "out_matrix_0": matrices[0]}


@adapter("alife.alignment")
def alignment(inputs, params):
    free, memory = inputs["in_parameters"].requires_grad_(), inputs["in_memory"]
    old, new = gathered(
        memory, inputs["in_old_features"], inputs["in_features"], temperature=params["temperature"]
    )
    matrices = rotations(free, memory.shape[-1])
    classifier = inputs["in_weight"], inputs["in_bias"]
    owners = torch.arange(len(memory))
    ce, cosine = alignment_losses(old, new, matrices, *classifier, owners=owners, share=params["share"])
    (ce + cosine).backward()
    return {"out_ce": ce, "out_cosine": cosine, "out_grad_parameters": free.grad}


@adapter("alife.step3")
def third_stage(inputs, params):
    logits, memory = inputs["in_logits"].requires_grad_(), inputs["in_memory_logits"].requires_grad_()
    gamma = ALIFEM.gamma if params["focal"] else 0.0
    method = method_of(inputs, ALIFEM, refine_ali=params["ali"], refine_memory=params["memory"], gamma=gamma)
    small = logits, inputs["in_old_logits"]
    losses = method.refining_losses(*small, inputs["in_labels"], memory, inputs["in_memory_labels"])
    sum(losses.values()).backward()
    named = {f"out_{name}": loss for name, loss in losses.items()}
    return named | {"out_grad_logits": logits.grad, "out_grad_memory": memory.grad}


@adapter("alife.memory")
def remembered(inputs, params):
    label = params["label"]
    means, _ = class_means(inputs["in_features"], inputs["in_labels"][None], range(label, label + 1))
    return {"out_feature": means[0]}
