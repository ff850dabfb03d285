"""The order of one's own classes, and named steps, which may bring images of their own."""

from collections.abc import Sequence
from dataclasses import dataclass

from dataset.own.description import Description
from utils.labels import BACKGROUND
from utils.naming import closest


@dataclass(frozen=True)
class NamedStep:
    """One step as the description names it.

    Attributes:
        name: of the step. labels: that it teaches, without background.
        train: where its own images are, as `train` of the description says it; None: among all of `train`.
    """

    name: str
    labels: tuple[int, ...]
    train: object = None


def class_order(about: Description, names: Sequence[str], *, has_background: bool) -> tuple[int, ...]:
    """The labels in the order that `order` gives the classes; () if it is that of the classes.

    Raises:
        ValueError: if a class is missing, given twice or unknown.
    """
    given = about.typed("order", list, [])
    if not given:
        return ()
    labels = _labels(about, "order", given, names, has_background=has_background)
    missing = set(range(int(has_background), len(names))) - set(labels)
    if missing:
        raise about.wrong(f"leaves {', '.join(names[label] for label in sorted(missing))} out of order")
    return labels


def named_steps(about: Description, names: Sequence[str], *, has_background: bool) -> tuple[NamedStep, ...]:
    """The steps that `steps` names: a list of classes each, or {classes: [..], train: ..}.

    Raises:
        ValueError: if a step has no class, or a class is unknown or in two steps.
    """
    found = []
    for name, given in about.typed("steps", dict, {}).items():
        content = given if isinstance(given, dict) else {"classes": given}
        known = {"classes"} <= set(content) <= {"classes", "train"}
        if not known or not isinstance(content["classes"], list):
            raise about.wrong(f"needs for step {name} a list of classes, or {{classes: [..], train: ..}}")
        where = f"step {name}"
        if ":" in str(name):
            raise about.wrong(f"has a colon in the name of {where}")
        labels = _labels(about, where, content["classes"], names, has_background=has_background)
        found.append(NamedStep(str(name), labels, content.get("train")))
    taught = [label for step in found for label in step.labels]
    twice = {names[label] for label in taught if taught.count(label) > 1}
    if twice:
        raise about.wrong(f"teaches {', '.join(sorted(twice))} in two steps")
    return tuple(found)


def _labels(
    about: Description, where: str, given: Sequence, names: Sequence[str], *, has_background: bool
) -> tuple[int, ...]:
    labels = []
    for name in given:
        if name not in names:
            closest(str(name), names, f"class in {about.path}, {where}")
            raise about.wrong(f"has the class {name!r} in {where}, which is spelt otherwise in classes")
        if has_background and names.index(name) == BACKGROUND:
            raise about.wrong(f"has background in {where}; it belongs to the first step by itself")
        labels.append(names.index(name))
    if not labels or len(set(labels)) < len(labels):
        raise about.wrong(f"has no class, or one twice, in {where}")
    return tuple(labels)
