"""METRICS: every number that is reported of a step. Files, TensorBoard, tables and the report follow from it.

A new metric is a function and a line of the table, both in this file: `EXTENDING.md` shows one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from metrics.scores import average, group_scores, harmonic, miou_predicted_counts, trainable_percent

if TYPE_CHECKING:
    from torch import Tensor

SHARE = "share"  # of 1 in files, in per cent in tables
MASKS, IMAGES = "masks", "images"  # what a test has labels of: one per pixel, or one per image


@dataclass(frozen=True)
class Counted:
    """The confusion matrix of one test, as functions of the section "scores" see it.

    Args:
        counts: (C, K) in learning order: rows true, columns predicted.
        num_base: classes of step 0, background included. has_background: whether class 0 is background.
        labels: MASKS or IMAGES, of which the counts are images.
        options: those of `metrics.scores.class_scores`.
    """

    counts: "Tensor"
    num_base: int
    has_background: bool = True
    labels: str = MASKS
    options: Mapping[str, object] = field(default_factory=dict)

    def classes(self, group: str, *, foreground: bool = False) -> range:
        """Rows of "all" classes, of the "old" of step 0 or the "new" of later steps; without background?"""
        first = int(foreground and self.has_background)
        num_classes, base = self.counts.shape[0], self.num_base
        begins, ends = {"all": (first, num_classes), "old": (first, base), "new": (base, num_classes)}[group]
        return range(begins, ends)

    @cached_property
    def groups(self) -> dict[str, dict[str, float | None]]:
        """`group_scores` of each group, and under "<group>_foreground" without background."""
        return {
            f"{group}{'_foreground' * foreground}": group_scores(
                self.counts, self.classes(group, foreground=foreground), **self.options
            )
            for group in ("all", "old", "new")
            for foreground in (False, True)
        }


@dataclass(frozen=True)
class Metric:
    """One reported number.

    Attributes:
        compute: what gives it, None if it does not exist, from what its section has.
        section: of the result file. "scores": from the confusion matrix, a `Counted`; "over_steps": from the
            result files of the steps so far, a list; "cost": from what training recorded, a dict.
        unit: "share" (of 1 in files, % in tables), "s", "parameters", ...
        higher_is_better: its direction.
        column: its name in tables; "": files and TensorBoard alone have it.
        background: "+" if the column's name is to say that it counts as an old class, "-" that it is left
            out.
        labels: the tests whose tables have the column: of MASKS, of IMAGES; "": all.
    """

    compute: Callable[..., float | None]
    section: str = "scores"
    unit: str = SHARE
    higher_is_better: bool = True
    column: str = ""
    background: str = ""
    labels: str = ""

    def head(self, has_background: bool) -> str:
        """The column's name, which says whether background counts: old+bg, old-bg."""
        return f"{self.column}{self.background}bg" if self.background and has_background else self.column

    @property
    def words(self) -> str:
        """Name, unit and direction, as tables that explain themselves have it."""
        unit = "%" if self.unit == SHARE else self.unit
        return f"{self.column}, {unit} ({'higher' if self.higher_is_better else 'lower'} is better)"

    def text(self, value: float | None) -> str:
        """A value for tables, "-" if there is none."""
        if value is None:
            return "-"
        return f"{100 * value:.2f}" if self.unit == SHARE else f"{value:,.0f}"


def of_group(name: str, group: str) -> Callable[[Counted], float | None]:
    """The number `name` of `group_scores` of a group of classes."""
    return lambda counted: counted.groups[group][name]


def top1_of(group: str) -> Callable[[Counted], float | None]:
    """Share of the images of a group of classes whose class was recognised; None of masks."""
    return lambda counted: counted.groups[group]["pixel_accuracy"] if counted.labels == IMAGES else None


def harmonic_of(suffix: str) -> Callable[[Counted], float | None]:
    """Harmonic mean of the mIoU of old and of new classes."""
    return lambda counted: harmonic(*(counted.groups[f"{one}{suffix}"]["miou"] for one in ("old", "new")))


def average_of(name: str) -> Callable[[list[dict]], float | None]:
    """Mean of a score over the steps; of the mIoU of all classes it is the papers' "avg"."""
    return lambda results: average([result["scores"].get(name) for result in results])


def mean_forgetting(results: list[dict]) -> float | None:
    """Mean over the classes that an earlier step knew, see `metrics.scores.forgetting`."""
    return average([entry["forgetting"] for entry in results[-1]["classes"]])


def trained_share(results: list[dict]) -> float | None:
    """Per cent of fine-tuning's parameters that the incremental steps train."""
    costs = [result["cost"] for result in results if result["step"] > 0]
    names = ("trainable_parameters", "finetuning_parameters")
    costs = [cost for cost in costs if set(names) <= cost.keys()]
    return trainable_percent(*([cost[name] for cost in costs] for name in names))


def recorded(name: str) -> Callable[[Mapping], float | None]:
    """What training recorded under `name`."""
    return lambda cost: cost.get(name)


def images_per_second(cost: Mapping) -> float | None:
    """Images that training saw, over its seconds."""
    if not cost.get("seconds") or "images_trained" not in cost:
        return None
    return cost["images_trained"] / cost["seconds"]


METRICS: dict[str, Metric] = {
    "pixel_accuracy_all": Metric(of_group("pixel_accuracy", "all")),
    "mean_accuracy_all": Metric(of_group("mean_accuracy", "all")),
    "miou_all": Metric(of_group("miou", "all"), column="all", background="+", labels=MASKS),
    "frequency_weighted_iou_all": Metric(of_group("frequency_weighted_iou", "all")),
    "pixel_accuracy_old": Metric(of_group("pixel_accuracy", "old")),
    "mean_accuracy_old": Metric(of_group("mean_accuracy", "old")),
    "miou_old": Metric(of_group("miou", "old"), column="old", background="+", labels=MASKS),
    "frequency_weighted_iou_old": Metric(of_group("frequency_weighted_iou", "old")),
    "pixel_accuracy_new": Metric(of_group("pixel_accuracy", "new")),
    "mean_accuracy_new": Metric(of_group("mean_accuracy", "new")),
    "miou_new": Metric(of_group("miou", "new"), column="new", labels=MASKS),
    "frequency_weighted_iou_new": Metric(of_group("frequency_weighted_iou", "new")),
    "miou_all_foreground": Metric(of_group("miou", "all_foreground"), column="all", background="-"),
    "miou_old_foreground": Metric(of_group("miou", "old_foreground"), column="old", background="-"),
    "miou_new_foreground": Metric(of_group("miou", "new_foreground")),
    "harmonic": Metric(harmonic_of(""), column="harmonic", labels=MASKS),
    "harmonic_foreground": Metric(harmonic_of("_foreground")),
    "miou_all_predicted_counts": Metric(lambda counted: miou_predicted_counts(counted.counts)),
    "top1_accuracy_all": Metric(top1_of("all"), column="all", labels=IMAGES),
    "top1_accuracy_old": Metric(top1_of("old"), column="old", labels=IMAGES),
    "top1_accuracy_new": Metric(top1_of("new"), column="new", labels=IMAGES),
    "average_miou": Metric(average_of("miou_all"), "over_steps", column="average", labels=MASKS),
    "average_miou_foreground": Metric(average_of("miou_all_foreground"), "over_steps"),
    "average_incremental_accuracy": Metric(
        average_of("top1_accuracy_all"), "over_steps", column="average", labels=IMAGES
    ),
    "mean_forgetting": Metric(mean_forgetting, "over_steps", higher_is_better=False, column="forgetting"),
    "trainable_percent": Metric(trained_share, "over_steps", "%", higher_is_better=False),
    "trainable_parameters": Metric(
        recorded("trainable_parameters"), "cost", "parameters", higher_is_better=False, column="trainable"
    ),
    "seconds": Metric(recorded("seconds"), "cost", "s", higher_is_better=False, column="seconds"),
    "peak_memory_bytes": Metric(recorded("peak_memory_bytes"), "cost", "bytes", higher_is_better=False),
    "images_per_second": Metric(images_per_second, "cost", "images/s"),
}


def computed(section: str, given) -> dict[str, float | None]:
    """Every number of a section by name, from what its metrics are computed from."""
    return {name: one.compute(given) for name, one in METRICS.items() if one.section == section}


def columns(has_background: bool, labels: str = MASKS) -> Iterator[tuple[str, Metric]]:
    """What tables show of a test of MASKS or IMAGES, in their order: by section, and what leaves background
    out behind what counts it.
    """
    order = {"scores": 0, "over_steps": 1, "cost": 2}
    shown = [(name, one) for name, one in METRICS.items() if one.column and one.labels in ("", labels)]
    for name, one in sorted(shown, key=lambda pair: (order[pair[1].section], pair[1].background == "-")):
        if has_background or one.background != "-":
            yield name, one


def value(result: Mapping, name: str) -> float | None:
    """The number `name` in a result file; None also where the file is older than the metric."""
    return result[METRICS[name].section].get(name)


def labels_of(result: Mapping) -> str:
    """What a result file is a test of: IMAGES, whose top-1 accuracy counts, or MASKS, whose mIoU does."""
    return MASKS if result["scores"].get("top1_accuracy_all") is None else IMAGES


def measures(result: Mapping) -> tuple[str, str]:
    """Names of what counts in a result file: the score over all classes, and the number of each class."""
    by_image = labels_of(result) == IMAGES
    return ("top1_accuracy_all", "accuracy") if by_image else ("miou_all", "iou")


def scores(
    counts: "Tensor", *, num_base: int, has_background: bool = True, labels: str = MASKS, **options
) -> dict[str, float | None]:
    """Every number of one evaluation, by name; arguments as of `Counted`.

    Returns:
        `{pixel_accuracy, mean_accuracy, miou, frequency_weighted_iou}_{all, old, new}`;
        `miou_{all, old, new}_foreground`, background left out (equal to the above for data without
        background, and for the new classes always); `harmonic` and `harmonic_foreground`, the harmonic mean
        of the mIoU of old and new classes; `miou_all_predicted_counts`, as other libraries report it;
        `top1_accuracy_{all, old, new}`, None of masks.
    """
    return computed("scores", Counted(counts, num_base, has_background, labels, options))
