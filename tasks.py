"""Tasks: which classes (or domains) arrive at which step.

`python -m dataset` (or `python -m tasks`) lists them; see `dataset/__main__.py`.
"""

import runpy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from task_tables import ASCENDING, NUM_DOMAINS, STEPS, lookup, portion_out
from utils.labels import BACKGROUND

PROBING = "-probing"  # every step teaches all classes: RevisitingCSS's tasks for probing frozen networks


@dataclass(frozen=True)
class Step:
    """One increment of a task.

    Args:
        dataset: name of the dataset, e.g. "voc".
        task: published name of the task, e.g. "15-5s".
        index: number of this step; 0 is the base training.
        groups: for every step of the task the dataset labels that it teaches, in learning order. The model
            index of a class is its position in the concatenation of the groups. Group 0 starts with
            background 0 if the dataset has one. Tasks whose steps teach no new class (domain-incremental,
            probing) repeat one group.
        has_background: whether class 0 is background, i.e. what unlabelled pixels of a step turn into.
        domains: for domain-incremental tasks the domains (cities) whose images each step sees; empty
            otherwise.
    """

    dataset: str
    task: str
    index: int
    groups: tuple[tuple[int, ...], ...]
    has_background: bool = True
    domains: tuple[tuple[int, ...], ...] = ()

    @property
    def num_steps(self) -> int:
        """Number of steps of the whole task."""
        return len(self.groups)

    @property
    def grows(self) -> bool:
        """Whether steps bring new classes; False for domain-incremental and probing tasks."""
        return self.num_steps == 1 or self.groups[0] != self.groups[1]

    @cached_property
    def new(self) -> tuple[int, ...]:
        """Dataset labels taught at this step; at step 0 with the background first."""
        return self.groups[self.index]

    @cached_property
    def old(self) -> tuple[int, ...]:
        """Dataset labels taught before this step, in learning order."""
        if not self.grows:
            return self.groups[0] if self.index > 0 else ()
        return tuple(label for group in self.groups[: self.index] for label in group)

    @cached_property
    def seen(self) -> tuple[int, ...]:
        """Dataset labels by model index, up to and including this step."""
        return self.old + self.new if self.grows else self.groups[0]

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Dataset labels by model index for the whole task."""
        return tuple(label for group in self.groups for label in group) if self.grows else self.groups[0]

    @property
    def num_old(self) -> int:
        """Classes known before this step, background included."""
        return len(self.old)

    @property
    def num_new(self) -> int:
        """Classes taught at this step; at step 0 background included."""
        return len(self.new)

    @property
    def num_seen(self) -> int:
        """Classes known after this step, background included."""
        return len(self.seen)

    @property
    def num_total(self) -> int:
        """Classes of the whole task, background included."""
        return len(self.order)

    @property
    def sizes(self) -> list[int]:
        """Classifier rows per step, up to and including this step."""
        return self.all_sizes[: self.index + 1] if self.grows else self.all_sizes

    @property
    def all_sizes(self) -> list[int]:
        """Classifier rows per step of the whole task."""
        return [len(group) for group in self.groups] if self.grows else [len(self.groups[0])]

    def at(self, index: int) -> "Step":
        """The step `index` of the same task."""
        if not 0 <= index < self.num_steps:
            raise ValueError(f"task {self.task} has steps 0..{self.num_steps - 1}, not {index}")
        return replace(self, index=index)


def make_step(dataset, task: str, index: int = 0) -> Step:
    """Step `index` of `task` on a dataset object (its `name`, `class_names` and `has_background`).

    Raises:
        ValueError: if there is no such task or step; the message says what is possible.
    """
    return named_step(
        dataset.name, len(dataset.class_names), task, index, has_background=dataset.has_background,
        order=dataset.class_order, own_steps=dataset.named_steps,
    )  # fmt: skip


def named_step(
    dataset: str,
    num_classes: int,
    task: str,
    index: int = 0,
    *,
    has_background: bool = True,
    order: Sequence[int] = (),
    own_steps: Sequence[Sequence[int]] = (),
) -> Step:
    """Step `index` of a task.

    Args:
        dataset: name of the dataset.
        num_classes: its classes, background included.
        task: published name ("15-5s"), papers' name ("15-1"), "offline", any of them + "-probing", or class
            counts: "6-1" = 6 classes, then 1 per step; "6-3-2" = one count per step. Counts leave out
            background and take the classes in the dataset's order.
        index: number of the step.
        has_background: whether class 0 is background.
        order: labels in the order in which counts take them; (): ascending.
        own_steps: labels of each step of the task "steps".

    Raises:
        ValueError: if there is no such task or step; the message says what is possible.
    """
    if task.lower().endswith(PROBING):
        probed = named_step(dataset, num_classes, task[: -len(PROBING)], has_background=has_background,
                            order=order, own_steps=own_steps)  # fmt: skip
        groups = (probed.order,) * (probed.num_steps + 1)  # one more step, for the network before step 0
        return Step(dataset, probed.task + PROBING, 0, groups, has_background).at(index)
    items = range(NUM_DOMAINS[dataset]) if dataset in NUM_DOMAINS else range(int(has_background), num_classes)
    name, portions, published = lookup(dataset, task)
    if name == STEPS and not own_steps:
        raise ValueError(f"{dataset} names no steps: add `steps: {{first: [..], second: [..]}}` to its file")
    if name == STEPS:
        groups = [tuple(group) for group in own_steps]
    else:
        groups = portion_out(published or order or items, portions, f"task {task} on {dataset}")
    if dataset in NUM_DOMAINS:
        taught = (tuple(range(num_classes)),) * len(groups)
        return Step(dataset, name, 0, taught, has_background, tuple(groups)).at(index)
    if dataset in ASCENDING:
        groups = [tuple(sorted(group)) for group in groups]
    if has_background:
        groups[0] = (BACKGROUND, *groups[0])
    return Step(dataset, name, 0, tuple(groups), has_background).at(index)


def halves(num_classes: int) -> str:
    """The task that teaches `num_classes` in two steps, the larger half first."""
    return f"{num_classes - num_classes // 2}-{num_classes // 2}" if num_classes > 1 else "offline"


if __name__ == "__main__":
    runpy.run_module("dataset", run_name="__main__")  # the preview of tasks, which opens datasets
