"""What a checkpoint says of itself, and in what two of them differ."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from experiment import checkpoint
from tasks import Step

# How checkpoints from before `step0_as` named whose step 0 they hold.
STEP0_AS = {
    "cross entropy": "FT",
    "binary cross entropy": "LWF-MC",
    "cross entropy on two branches": "RCIL",
    "binary cross entropy of every class": "EIR",
}


@dataclass(frozen=True)
class Scopes:
    """Names of the configured values by what they decide; values in neither decide the weights.

    Attributes:
        shared: all steps of a run share them.
        compared_otherwise: decided by content, or no number of a checkpoint at all.
        not_step_0: whatever step 0 does not depend on, or through its images alone.
    """

    shared: Set[str]
    compared_otherwise: Set[str]
    not_step_0: Set[str]


def describe(values: dict, step: Step, *, step0_as: str, fingerprint: str) -> dict:
    """What a checkpoint of `step` says of itself.

    Args:
        values: the flat, resolved configuration. fingerprint: of the training data.
        step0_as: the method whose step 0 this one trains, see `methods.build.step0_as`.
    """
    return {
        "method": values["method"],
        "step0_as": step0_as,
        "dataset": step.dataset,
        "fingerprint": fingerprint,
        "task": step.task,
        "step": step.index,
        "groups": [list(group) for group in step.groups],
        "config": values,
        "versions": checkpoint.versions(),
    }


def step0_of(about: Mapping) -> str:
    """Whose step 0 the method of a checkpoint trains, also of one written before it said so."""
    return about["step0_as"] if "step0_as" in about else STEP0_AS[about["shared_step0"]]


def differences(before: Mapping, now: Mapping, ignored: Set[str]) -> list[str]:
    """Values of two configurations that differ and are not `ignored`, as "lr [0.01] -> [0.02]"."""
    keys = sorted((before.keys() & now.keys()) - ignored)
    return [f"{key} {before[key]} -> {now[key]}" for key in keys if before[key] != now[key]]
