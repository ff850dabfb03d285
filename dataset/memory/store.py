"""Memory: instances of old classes, or whole old images, that later steps train on again.

Entries hold pixels, not references to files: an RGB crop around the objects, the labels of that crop, its
classes and its source. The old images and their annotation files are not needed any more.
Source: EIR (arXiv 2503.22136), which keeps file names instead; the balanced choice is SSUL's.
"""

import json
import logging
import os
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from scipy import ndimage
from torch import Tensor

from dataset.images import StepImages, apply_table
from dataset.memory.record import Record, present_classes, record
from utils.distributed import is_main

LISTS = ("classes", "size", "corner")  # tuples of a Record that a file holds as lists


def is_candidate(labels: Tensor) -> bool:  # (H, W)
    """Whether each class in the label map is one 4-connected component (EIR); true if there is no class."""
    array = labels.numpy()
    return all(ndimage.label(array == label)[1] == 1 for label in present_classes(labels))


def labels_of(images: StepImages, index: int) -> Tensor:
    """The whole label map of an image, as its step sees it, uint8 (H, W)."""
    return apply_table(images.table, images.dataset.read_mask(images.samples[index]))


def single_instances(images: StepImages, index: int) -> tuple[int, ...] | None:
    """Classes of an image whose whole label map is a candidate (see `is_candidate`), else None."""
    # Differs from EIR, which decides by a random crop of the label map that no later step sees.
    labels = labels_of(images, index)
    return present_classes(labels) if is_candidate(labels) else None


def any_instances(images: StepImages, index: int) -> tuple[int, ...]:
    """Classes of an image, in however many pieces."""
    return present_classes(labels_of(images, index))


def select(candidates: Iterable[tuple], classes: Sequence[int], budget: int) -> dict[int, list[tuple]]:
    """Class-balanced choice of at most `budget` candidates, by class of `classes`.

    In each round every class takes the first remaining candidate that shows it. `candidates` are pairs (key,
    classes) in random order; they are read only as far as needed.
    """
    chosen: dict[int, list[tuple]] = {label: [] for label in classes}
    passed: list[tuple] = []  # read already, taken by no class yet
    stream = iter(candidates)

    def take(label: int) -> tuple | None:
        for position, candidate in enumerate(passed):
            if label in candidate[1]:
                return passed.pop(position)
        for candidate in stream:
            if label in candidate[1]:
                return candidate
            passed.append(candidate)
        return None

    # Differs from EIR: a class without candidates drops out, and the choice ends when all have.
    searching = list(classes)
    while searching:
        for label in searching[:]:
            if budget == 0:
                return chosen
            candidate = take(label)
            if candidate is None:
                searching.remove(label)
            else:
                chosen[label].append(candidate)
                budget -= 1
    return chosen


def lacking(chosen: dict[int, list[tuple]], budget: int) -> str:
    """Classes without a candidate; "" if the budget is too small to know."""
    empty = [str(label) for label in sorted(chosen) if not chosen[label]]
    return ", ".join(empty) if budget >= len(chosen) else ""


def tell(words: str, *values: object) -> None:
    """Say what a memory lacks, in one process."""
    if is_main():
        logging.getLogger(__name__).warning(words, *values)


class Memory:
    """The stored entries that a step trains on besides its own images.

    Attributes:
        step: the step that trains on them, 0 if there are none.
        records: the entries, grouped by the class they were chosen for.
    """

    def __init__(self):
        self.step, self.records = 0, []

    def refill(
        self,
        images: StepImages,
        *,
        step: int,
        num_old: int,
        budget: int,
        whole: bool,
        seed: int,
        shown: Callable[[int], tuple[int, ...] | None] | None = None,
    ) -> None:
        """Choose entries of classes 1..num_old-1 anew, for `step`, from `images` and the entries so far.

        Depends on the arguments and the entries alone, hence the same on every process. Does nothing if the
        entries are those for `step` already (a resumed run).

        Args:
            images: those of the previous step, with the labels it saw.
            step: number of the step that will train on the memory.
            num_old: classes known before that step, background included.
            budget: entries, over all classes.
            whole: keep whole images and all their labels, instead of crops around instances.
            seed: of the choice.
            shown: classes that the image of this number counts for, None if it does not qualify; by default
                `single_instances` decides, and for whole images `any_instances`, if a class were left
                without any. It is asked only as far as needed.
        """
        if self.step == step:
            return
        rng = random.Random(f"memory/{seed}/{step}")
        keys: list[int | Record] = [*self.records, *range(len(images))]
        classes = list(range(1, num_old))
        rng.shuffle(keys)
        rng.shuffle(classes)
        rule = shown or partial(single_instances, images)
        chosen = select(self._candidates(keys, rule), classes, budget)
        if whole and not shown and lacking(chosen, budget):  # as in streets, where hardly anything is alone
            words = "class %s is in no image of single instances: any image may be kept for step %d"
            tell(words, lacking(chosen, budget), step)
            chosen = select(self._candidates(keys, partial(any_instances, images)), classes, budget)
        self.step, self.records = step, []
        for label in sorted(chosen):
            for key, found in chosen[label]:
                facts = {"step": step - 1, "label": label, "classes": found}
                if isinstance(key, Record):
                    self.records.append(Record(**vars(key) | {"label": label}))
                else:
                    source = images.samples[key].id
                    self.records.append(record(*images.read(key), whole=whole, source=source, **facts))
        if empty := lacking(chosen, budget):
            words = "no image qualifies for the memory of class %s: nothing of it is replayed at step %d"
            tell(words, empty, step)

    @staticmethod
    def _candidates(keys: list, shown: Callable[[int], tuple[int, ...] | None]) -> Iterator[tuple]:
        """Pairs (key, classes): all entries, and the images that qualify."""
        for key in keys:
            classes = key.classes if isinstance(key, Record) else shown(key)
            if classes is not None:
                yield key, classes

    def state_dict(self) -> dict:
        """The memory in tensors and plain types."""
        records = [vars(entry) | {key: list(getattr(entry, key)) for key in LISTS} for entry in self.records]
        return {"step": self.step, "records": records}

    def load_state_dict(self, state: dict) -> None:
        """Load what `state_dict` returned."""
        self.step = state["step"]
        self.records = [
            Record(**entry | {key: tuple(entry[key]) for key in LISTS}) for entry in state["records"]
        ]

    def save(self, folder: Path | str) -> None:
        """Write the entries to `folder`, which is replaced: two PNG files each, and `index.json`.

        Raises:
            OSError: if it cannot be written.
        """
        folder = Path(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            rows = []
            for number, entry in enumerate(self.records):
                stem = f"{number:04d}_class{entry.label}_{re.sub(r'[^A-Za-z0-9_-]+', '-', entry.source)}"
                files = {"image": f"{stem}.png", "labels": f"{stem}_labels.png"}
                for key, name in files.items():
                    (temporary / name).write_bytes(getattr(entry, key).numpy().tobytes())
                rows.append(vars(entry) | files | {"bytes": entry.num_bytes})
            content = {
                "step": self.step,
                "bytes": sum(entry.num_bytes for entry in self.records),
                "records": rows,
            }
            (temporary / "index.json").write_text(json.dumps(content, indent=1) + "\n")
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(temporary, folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
