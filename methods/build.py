"""Builders of methods, for trainer and analyses: with network, teacher, and the previous step's state."""

from collections.abc import Mapping

import torch

from methods import METHODS
from methods.base import Method
from modules.folding import fold_norms
from segmentation_module import Parts
from tasks import Step
from train import Training

# The hooks that can change the result of step 0; the others are not called then, or change no weight.
ACT_AT_STEP_0 = frozenset(
    "build_model train_set param_groups losses after_backward fit_step end_increment".split()
)


def build_method(
    name: str,
    step: Step,
    parts: Parts,
    *,
    hyper: Mapping[str, object],
    training: Training,
    device: torch.device,
    previous: Mapping | None = None,
) -> Method:
    """The method `name` at the start of `step`, before `start_increment`.

    Args:
        name: key of METHODS. parts: of its networks. hyper: values of its hyper-parameters.
        training: numbers of the step's optimisation. device: of network and teacher.
        previous: checkpoint of the previous step ("step", "net", "method_state"); None at step 0.

    Raises:
        ValueError: if the method cannot serve the step, or the previous network does not fit.
    """
    method = METHODS[name](step, **hyper)
    method.training = training
    method.net = method.model = method.build_model(step, parts)
    if previous:
        method.load_previous(previous["net"])
        method.load_state_dict(previous["method_state"])
        if method.needs_teacher:
            teacher = method.build_model(step.at(previous["step"]), parts)
            teacher.load_state_dict(previous["net"])
            teacher = fold_norms(teacher.eval().requires_grad_(False))
            method.teacher = teacher.to(device, memory_format=torch.channels_last)
    method.net.to(device, memory_format=torch.channels_last)
    return method


def trained_method(
    name: str,
    step: Step,
    parts: Parts,
    content: Mapping,
    *,
    hyper: Mapping[str, object],
    device: torch.device,
) -> Method:
    """The method `name` as it was after `step`, from its checkpoint `content`."""
    method = METHODS[name](step, **hyper)
    method.net = method.model = method.build_model(step, parts)
    method.net.load_state_dict(content["net"])
    method.load_state_dict(content["method_state"])
    method.net.to(device, memory_format=torch.channels_last)
    return method


def step0_as(kind: type[Method]) -> str:
    """The method whose step 0 `kind` trains: as its `step0_as` says, else derived from its overrides.

    A class that overrides a hook that acts at step 0 trains a step 0 of its own, unless it (or a class
    derived from it) declares that the weights are those of another method.
    """
    return _step0(kind)[0]


def why_step0(kind: type[Method]) -> str:
    """Whether other methods can take over the step 0 that `kind` trains, and why, in words."""
    owner, why = _step0(kind)
    if kind.gathers_at_step0:
        return f"shared with no other method: {kind.__name__} gathers state there that only it has"
    if owner == "FT":
        return f"shared with methods that train it alike: {why}"
    return f"shared only with methods that train it as {owner} does: {why}"


def _step0(kind: type[Method]) -> tuple[str, str]:
    """Whose step 0 it is, and why."""
    for ancestor in kind.__mro__:
        if ancestor is Method:
            return "FT", "it overrides no hook that acts there"
        if own := vars(ancestor).get("step0_as"):
            return own, f"{ancestor.__name__}.step0_as says that it is {own}'s"
        if hooks := sorted(ACT_AT_STEP_0 & vars(ancestor).keys()):
            owner = next((name for name, one in METHODS.items() if one is ancestor), ancestor.__name__)
            return owner, f"{ancestor.__name__} overrides {', '.join(hooks)}"
    raise AssertionError(f"{kind.__name__} is no method")
