"""ALIFE and ALIFE-M."""

from methods.alife import ALIFE
from segmentation_module import Output
from tasks import Step
from tests.adapters import adapter


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
