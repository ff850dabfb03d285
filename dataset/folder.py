"""Your own images and masks, described by a YAML file of about ten lines."""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dataset.files import FileDataset
from dataset.own.description import Description, described_tasks
from dataset.own.entries import drawn
from dataset.own.how import mask_reading, reading
from dataset.own.labels import ColourLabels, ValueLabels
from dataset.own.listing import listed, listed_by_steps
from dataset.own.masks import read_mask
from dataset.own.meaning import meaning
from dataset.own.pairing import Pairs
from dataset.own.steps import class_order, named_steps
from dataset.own.survey import survey
from dataset.samples import Sample, Samples
from dataset.survey import Survey, disagreement
from task_tables import STEPS
from tasks import Step
from utils.decoding.decode import named
from utils.decoding.header import BadFileError
from utils.labels import IGNORE
from utils.main_process import is_main
from utils.pictures.palette import borders, tell_apart

if TYPE_CHECKING:
    from torch import Tensor

SPLITS = ("train", "val", "test")
LOOKED_AT = 8  # training masks, for colours
FORMAT = 1  # of how files are read; changes with what a description means

log = logging.getLogger(__name__)


class Folder(FileDataset):
    """A dataset described by a YAML file; `data/README.md` has all keys and what they cure.

        name: camvid              # optional; default: the file's name
        root: ../camvid           # optional, relative to this file; --data_root wins
        classes: classes.txt      # a list of names, or a file with one per line: those of values 0, 1, 2, ...
        background: true          # whether the first class is background (default), or the class that is
        ignore: 255               # optional: value, or list of values, that mean void; 255 always does
        train: {images: images/train, masks: annotations/train}   # folders, or patterns such as a/*/img/*.jpg
        val: lists/val.txt        # or a text file with one "image mask" per line
        test: ...                 # optional; results are reported on val without it
        tasks: [6-5, 6-1]         # optional; the first is the one of a run that names none
        order: [car, road]        # optional: the order in which tasks of counts take the classes
        steps:                    # optional: `--task steps`; a step may bring images of its own
          streets: [road]
          cars: {classes: [car], train: lists/cars.txt}

    All paths are relative to the root. What a mask says is never guessed: values mean the classes in their
    order, or what `values` or `colors` say, and whatever has no name is refused.

    Args:
        root: folder of the data, "" for the one the file names, or else the file's own.
        description: the YAML file.

    Attributes:
        pictures, masks: how the files are decoded. labels: what becomes of what masks hold.
        stored: a value or colour that mask files have for each label.
        left_out: pictures without a mask that `unlabelled: skip` leaves out, by split.
    """

    surveys_pictures = True

    def __init__(self, root: Path | str, description: Path | str):
        self.description = Path(description).expanduser()
        about = self.about = Description(self.description)
        place = Path(about.typed("root", str, ".")).expanduser()
        super().__init__(root or self.description.parent / place)
        if not self.root.is_dir():
            raise FileNotFoundError(f"there is no folder {self.root}; give --data_root")
        self.name = about.typed("name", str, self.description.stem)
        if not re.fullmatch(r"\w[\w .-]*", self.name):  # names files of the cache
            raise about.wrong(f"has name: {self.name!r}; use letters, digits, blanks, dots and hyphens")
        means = meaning(about, self.root)
        self.class_names, self.has_background = means.names, means.has_background
        self.labels, self.stored, self._colours = means.labels, means.stored, means.colours
        self._drawn = drawn(about, means.names)
        self.pictures = reading(about)
        self.masks = mask_reading(about, isinstance(self.labels, ColourLabels), self.pictures)
        coloured = self.masks.colours or about.choice("palette", "ignore") == "ignore"
        self.compares_palettes = not coloured
        self.tasks = described_tasks(description)
        self.class_order = class_order(about, means.names, has_background=means.has_background)
        self.steps = named_steps(about, means.names, has_background=means.has_background)
        self.named_steps = tuple(step.labels for step in self.steps)
        self.places = {split: about.content[split] for split in SPLITS if split in about}
        self.test_split = "test" if "test" in self.places else "val"
        self.left_out: dict[str, list[Path]] = {}
        self._presence: dict = {}
        apart = self.steps and all(step.train is not None for step in self.steps)
        for split in ("val",) if apart else ("train", "val"):
            if split not in self.places:
                raise about.wrong(f"lacks {split}")

    def list_samples(self, split: str) -> Samples:
        own = [step for step in self.steps if step.train is not None] if split == "train" else []
        if split not in self.places and not own:
            raise ValueError(f"{self.name} has no split {split!r}; known: {', '.join(self.places)}")
        found, lacking = Pairs([], [], []), []
        if split in self.places:
            found, lacking = listed(self.about, self.root, split)
        if own:
            more, without, gone = listed_by_steps(self.about, self.root, own)
            found, lacking = Pairs(*map(add, found, more)), lacking + without
            if gone and is_main():
                log.warning(f"{self.name}: the images of step {', '.join(gone)} are not there")
        if lacking and split not in self.left_out and is_main():
            log.warning(f"{self.name} {split}: {len(lacking)} pictures without a mask are left out")
        self.left_out[split] = lacking
        return Samples.of_columns(*found)

    def offered(self, step: Step, split: str) -> np.ndarray | None:
        """Which images are there for `step`, bool (N,): those that it brings, or those of no step."""
        if split != "train" or step.task != STEPS or all(one.train is None for one in self.steps):
            return None
        named = {step.name for step in self.steps if step.train is not None}
        owners = [id.partition(":")[0] for id in self.samples("train").ids()]
        owners = [owner if owner in named else "" for owner in owners]
        own = self.steps[step.index]
        return np.array(owners) == (own.name if own.train is not None else "")

    # -- files -------------------------------------------------------------------------------------------
    def read_mask(self, sample: Sample) -> "Tensor":
        import torch  # which a scan does not need

        return torch.from_numpy(self.read_labels(sample))

    def read_labels(self, sample: Sample) -> np.ndarray:
        """The same as `read_mask`, as an array."""
        mask = named(sample.mask, lambda: read_mask(sample.mask, self.masks))
        return self.labels.labels(mask, sample.mask)

    def survey(self, sample: Sample) -> Survey:
        return survey(self, sample)

    @property
    def reading(self) -> str:
        """All that decides what is read from a file, as text."""
        labels = self.labels
        if isinstance(labels, ValueLabels) and labels.identical:  # whichever classes have a name so far
            labels = f"as stored, void {labels.void}"
        parts = [FORMAT, labels, self.masks, self.pictures, self.compares_palettes]
        return json.dumps([repr(part) for part in parts])

    # -- what all files together say -----------------------------------------------------------------------
    def judge(self, split: str, table) -> None:
        """Refuse a split whose palettes are at odds with those of another, or whose 255 is no void.

        Raises:
            BadFileError: with the key that helps.
        """
        self._presence[split] = table
        self._judge_white(split, table)
        for other, known in self._presence.items():
            both = (table.witness >= 0) & (known.witness >= 0)
            differ = both & (table.colours != known.colours).any(axis=1)
            if differ.any():
                value = int(differ.argmax())
                ends = [(self.samples(one)[found.witness[value]].mask, found.colours[value])
                        for one, found in ((other, known), (split, table))]  # fmt: skip
                raise disagreement(value, *ends, f"{self.name} {other} and {split}")

    def _judge_white(self, split: str, table) -> None:
        """Masks of 0 and 255 alone mostly mean two classes, and are read as one class and void."""
        total = table.pixels_of()
        if {"values", "colors", "ignore"} & set(self.about.content) or not total[IGNORE]:
            return
        if total[0] and not total[1:IGNORE].any():
            names = self.class_names
            cure = f"values: {{0: {names[0]}, 255: {names[1]}}}"
            raise BadFileError(
                f"{self.name} {split}: all masks are 0 and 255, and 255 is void unless {self.description} "
                "says "
                f"otherwise: give {cure}, or ignore: 255 if void is meant",
                kind="masks of 0 and 255",
                cure=cure,
            )

    @cached_property
    def palette(self) -> np.ndarray:
        """Colour of each label: that of `draw`; else of `colors`, or of the first mask if it is indexed; else
        one that differs most from those of its neighbours in the masks.
        """
        palette = super().palette.copy()
        known = self._colours or self._indexed()
        known = {label: tuple(map(int, colour)) for label, colour in (known | self._drawn).items()}
        if len(known.keys() - {IGNORE}) < len(self.class_names):
            black = {0: (0, 0, 0)} if self.has_background else {}
            fixed = {IGNORE: tuple(map(int, palette[IGNORE]))} | black | known
            known |= tell_apart(borders(self._some_labels(), len(self.class_names)), fixed)
        for label, colour in known.items():
            palette[label] = colour
        return palette

    def _some_labels(self) -> Iterator[np.ndarray]:
        """Label maps of a few training images; of those that can be read."""
        try:
            samples = self.samples("train")
        except (ValueError, OSError):
            return
        for sample in samples[:: -(-len(samples) // LOOKED_AT) or 1]:
            with suppress(ValueError, OSError):
                yield self.read_labels(sample)

    def _indexed(self) -> dict[int, tuple]:
        try:
            mask = read_mask(self.samples("train")[0].mask, self.masks)
        except (ValueError, OSError):
            return {}
        values = {label: value for label, value in self.stored.items() if isinstance(value, int)}
        if mask.palette is None or not all(0 <= value < 256 for value in values.values()):
            return {}
        found = {label: tuple(mask.palette[value]) for label, value in values.items()}
        if found.get(IGNORE) in [colour for label, colour in found.items() if label != IGNORE]:
            del found[IGNORE]  # palettes that end before 255 have nothing there
        return found if len({*found.values()}) == len(found) else {}
