"""What has to be mended in one's own data: each trouble once, with the key and value that cure it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dataset.base import Sample
from dataset.folder import Folder
from dataset.own.labels import packed, unpacked
from dataset.own.masks import GREY, read_mask
from dataset.presence import tabulated
from dataset.survey import Survey, rgb_words
from utils.decoding.header import BadFileError
from utils.labels import IGNORE

SAMPLED = 200  # masks whose colours are listed
MANY = 64  # colours or values beyond which a mask holds something else than classes


@dataclass(frozen=True)
class Looked:
    """The samples of a split, and what one look at each of them told."""

    samples: list[Sample]
    looks: list[Survey]

    @cached_property
    def counts(self) -> np.ndarray:
        """Pixels of each label in each image, int64 (N, 256)."""
        return np.stack([look.counts for look in self.looks])


Surveys = dict[str, Looked]  # by split


@dataclass(frozen=True)
class Trouble:
    """Something to mend: what is wrong, and lines of the description that cure it, if any do."""

    what: str
    cure: str = ""

    def lines(self, number: int) -> list[str]:
        """As text, the cure to paste below."""
        return [f"{number}. {self.what}", *(f"       {line}" for line in self.cure.splitlines())]


def of_error(error: Exception) -> Trouble:
    """An error of the description or of the lists."""
    return Trouble(" ".join(str(error).split()), getattr(error, "cure", ""))


def troubles(dataset: Folder, surveys: Surveys) -> list[Trouble]:
    """All that speaks against training on `dataset`, what most files have first."""
    pairs = [pair for one in surveys.values() for pair in zip(one.samples, one.looks, strict=True)]
    found = [(sample, complaint) for sample, look in pairs for complaint in look.complaints]
    kinds = Counter(complaint.kind for _, complaint in found)
    result = []
    for kind, files in kinds.most_common():
        culprits = [(sample, complaint) for sample, complaint in found if complaint.kind == kind]
        result.append(_of_kind(dataset, surveys, kind, culprits, files))
    return result + _of_whole(dataset, surveys)


def _of_kind(dataset: Folder, surveys: Surveys, kind: str, culprits: list, files: int) -> Trouble:
    first = culprits[0][1]
    more = f" ({files} such files)" if files > 1 else ""
    if kind == "values without a name":
        return unnamed_values(dataset, surveys, files, culprits[0][0])
    if kind == "colour masks":
        return colours_without_names(dataset, [sample for sample, _ in culprits], files)
    cures = Counter(complaint.cure for _, complaint in culprits)
    if kind == "pictures of more than 8 bits":  # the range that all of them need
        return Trouble(
            f"{first}{more}", max(cures, key=lambda cure: float(cure.rpartition(",")[2].strip(" ]")))
        )
    if kind == "pictures of too many pixels":
        return Trouble(f"{first}{more}", max(cures, key=lambda cure: int(cure.rpartition(" ")[2])))
    return Trouble(f"{first}{more}", first.cure)


def unnamed_values(dataset: Folder, surveys: Surveys, files: int, first: Sample) -> Trouble:
    """Values or colours without a name over all files, and a table that names them void."""
    pixels: Counter = Counter()
    for look in (look for one in surveys.values() for look in one.looks):
        pixels.update(look.unnamed)
    words = [f"{rgb_words(value) if isinstance(value, tuple) else value} ({number:,} pixels)"
             for value, number in pixels.most_common(8)]  # fmt: skip
    kind = "colours" if dataset.masks.colours else "values"
    more = ", .." * (len(pixels) > len(words))
    text = f"{files} masks hold {kind} without a name: {', '.join(words)}{more}; first {first.mask}"
    if len(pixels) > MANY:
        return Trouble(f"{text}; {len(pixels)} of them: are these masks of classes?")
    text += "; as void, or write the class in place of void:"
    if dataset.masks.colours:
        if isinstance(dataset.about.content["colors"], str):
            path = dataset.about.content["colors"]
            return Trouble(
                f"{text} in lines of {path}",
                "\n".join(f"void,{','.join(map(str, value))}" for value in pixels),
            )
        named = dict(dataset.about.content["colors"])
        old = [f"{name}: {value}" for name, value in named.items() if name != "void"]
        void = [*_as_list(named.get("void")), *map(list, pixels)]
        return Trouble(text, f"colors: {{{', '.join([*old, f'void: {void}'])}}}")
    known = dataset.about.content.get("values") or _written(dataset)
    both = [f"{value}: {name}" for value, name in known.items()] + [
        f"{value}: void" for value in sorted(pixels)
    ]
    return Trouble(text, f"values: {{{', '.join(both)}}}")


def _as_list(colours: object) -> list:
    if colours is None:
        return []
    return colours if isinstance(colours[0], list) else [colours]


def _written(dataset: Folder) -> dict[int, str]:
    names = {label: dataset.class_names[label] for label in dataset.stored if label != IGNORE}
    return {dataset.stored[label]: name for label, name in names.items()} | {255: "void"}


def colours_without_names(dataset: Folder, samples: Sequence[Sample], files: int) -> Trouble:
    """The colours of masks that no table explains, with the classes as names to be put in order."""
    how = replace(dataset.masks, colours=True)
    pixels: Counter = Counter()
    for sample in samples[:SAMPLED]:
        try:
            mask = read_mask(sample.mask, how)
        except (BadFileError, OSError):
            continue
        colours = (
            mask.values
            if mask.values.ndim == 3
            else (GREY if mask.palette is None else mask.palette)[mask.values]
        )
        pixels.update(packed(colours).flatten().tolist())
    shown = [tuple(map(int, colour)) for colour in unpacked([number for number, _ in pixels.most_common()])]
    text = f"{files} masks are coloured, {samples[0].mask} among them, with {len(shown)} colours"
    if len(shown) > MANY:
        return Trouble(
            f"{text}: too many for classes; are these masks, and were they never resized or compressed?"
        )
    names = [*dataset.class_names, *("void" for _ in shown)]
    pairs: dict[str, list] = {}
    for name, colour in zip(names, shown, strict=False):
        pairs.setdefault(name, []).append(list(colour))
    words = ", ".join(f"{name}: {one[0] if len(one) == 1 else one}" for name, one in pairs.items())
    return Trouble(f"{text}; put the names in their places:", f"colors: {{{words}}}")


def _of_whole(dataset: Folder, surveys: Surveys) -> list[Trouble]:
    found = []
    for split, one in surveys.items():
        try:
            dataset.judge(split, tabulated(one.looks, one.samples, f"{dataset.name} {split}"))
        except BadFileError as error:
            found.append(Trouble(str(error), error.cure))
    return list({trouble.cure: trouble for trouble in reversed(found)}.values())
