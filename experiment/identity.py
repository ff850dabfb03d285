"""What a step is: its classes, images, values and the step before; and in what two of them differ."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

from experiment import checkpoint
from tasks import Step
from utils.distributed import say

UNSAID = {"head": "deeplab"}  # what files from before a value existed mean by it
# How checkpoints from before `step0_as` named whose step 0 they hold.
STEP0_AS = {
    "cross entropy": "FT",
    "binary cross entropy": "LWF-MC",
    "cross entropy on two branches": "RCIL",
    "binary cross entropy of every class": "EIR",
}


@dataclass(frozen=True)
class Scopes:
    """Names of configured values by what they decide.

    Attributes:
        shared: all steps of a run share them.
        not_weights: what is decided by content, or decides no number of a checkpoint at all.
        rounding: the last bits alone; of interest only where an interrupted step goes on.
        accepted: differences that the user means.
    """

    shared: Set[str] = frozenset()
    not_weights: Set[str] = frozenset()
    rounding: Set[str] = frozenset()
    accepted: Set[str] = frozenset()


@dataclass(frozen=True)
class Difference:
    """One value that is not the same in a file and in this run."""

    name: str
    there: object = field(compare=False)
    here: object = field(compare=False)

    def __str__(self) -> str:
        return f"{self.name} {shown(self.there)} there, {shown(self.here)} here"


def describe(
    values: dict, step: Step, *, step0_as: str, fingerprint: str, identity: dict | None = None
) -> dict:
    """What a checkpoint of `step` says of itself.

    Args:
        values: the flat, resolved configuration. fingerprint: of the training data.
        step0_as: the method whose step 0 this one trains, see `methods.build.step0_as`.
        identity: what decides the step, by name: plain values, compared before the step is used again; None
            if nobody knows.
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
    } | ({} if identity is None else {"identity": identity})


def step0_of(about: Mapping) -> str:
    """Whose step 0 the method of a checkpoint trains, also of one written before it said so."""
    return about["step0_as"] if "step0_as" in about else STEP0_AS[about["shared_step0"]]


def differences(there: Mapping, here: Mapping, ignored: Set[str] = frozenset()) -> list[Difference]:
    """Values that both know, that differ and are not `ignored`, by name."""
    there = UNSAID | dict(there)
    names = [name for name in here if name in there and name not in ignored]
    found = []
    for name in sorted(names):
        one, other = there[name], here[name]
        if isinstance(one, list) and isinstance(other, list) and name == "classes":
            found += class_differences(one, other)
        elif one != other:
            found.append(Difference(name, one, other))
    return found


def class_differences(there: list[str], here: list[str]) -> list[Difference]:
    """The classes at the positions where two lists of names differ."""
    gone = [name for name, other in zip(there, here, strict=False) if name != other] + there[len(here) :]
    come = [name for other, name in zip(there, here, strict=False) if name != other] + here[len(there) :]
    return [Difference("classes", gone, come)] if gone or come else []


def check(path: Path | str, found: Iterable[Difference], scopes: Scopes, *, cure: str) -> None:
    """Refuse the file at `path` for the differences `found`, but for those that the user accepts.

    Args:
        cure: what helps beside --accept, as the end of a sentence.

    Raises:
        ValueError: one line with both sides of each value, and the cure.
    """
    found = list(found)
    left = [one for one in found if one.name not in scopes.accepted]
    if left:
        names = " ".join(dict.fromkeys(one.name for one in left))
        raise ValueError(
            f"{path} differs from this run: {'; '.join(map(str, left))}. {cure}, or say it is meant with "
            f"--accept {names}"
        )
    if found:
        say(f"accepted of {path}: {'; '.join(map(str, found))}")


def say_unchecked(path: Path | str, what: str) -> None:
    """Tell the user that a file from before identities were kept could not be compared."""
    say(f"{path} was written before runs kept what they are: its {what} could not be checked")


def shown(value: object) -> str:
    """A value in few letters."""
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) if value else "none"
    return str(value) if value not in ("", None) else "none"
