"""Cityscapes, by domain (new cities at every step, 19 classes) and by class (10-9)."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from dataset.base import Sample
from dataset.files import FileDataset
from tasks import Step
from utils.labels import IGNORE

# In the order of their numbers in the published tasks; the last three are the official validation cities.
CITIES = (
    "aachen bremen darmstadt erfurt hanover krefeld strasbourg tubingen weimar bochum cologne dusseldorf "
    "hamburg jena monchengladbach stuttgart ulm zurich frankfurt lindau munster"
).split()
CLASSES = (
    "road, sidewalk, building, wall, fence, pole, traffic light, traffic sign, vegetation, terrain, sky, "
    "person, rider, car, truck, bus, train, motorcycle, bicycle"
).split(", ")
EVALUATED = (7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33)  # values of CLASSES in *_labelIds.png
TRAIN_SHARE = 0.8
# RCIL assigns an image to the first of these classes (rarest first) that it shows and that is not full.
CLASS_PRIORITY = (17, 16, 15, 18, 4, 13, 5, 7, 9, 1, 2, 3, 6, 8, 10, 11, 12, 14, 19)
ROOM = 150
WITHOUT_LIMIT = 19


def label_map(first: int) -> np.ndarray:
    """Table uint8 (256,) from values in *_labelIds.png to classes `first`, first + 1, ..., or to void."""
    table = np.full(256, IGNORE, np.uint8)
    table[list(EVALUATED)] = np.arange(first, first + len(EVALUATED))
    return table


# -- domains -------------------------------------------------------------------------------------------------
def shuffled_split(positions: Sequence[int]) -> tuple[list[int], list[int]]:
    """`positions` shuffled as published (seed 1), split into the first 80 % and the rest."""
    order = np.array(positions, np.int64)
    np.random.RandomState(1).shuffle(order)
    cut = int(TRAIN_SHARE * len(order))
    return order[:cut].tolist(), order[cut:].tolist()


def clean_domain_split(domains: Sequence[int]) -> dict[str, list[int]]:
    """Positions of "train" and "val" images, ascending; each city is split once, so the two are disjoint.

    Args:
        domains: number of each image's city.
    """
    # Differs from PLOP and RCIL, which split each step's cities anew, see `published_domain_split`.
    parts = [shuffled_split(np.flatnonzero(np.equal(domains, domain))) for domain in sorted(set(domains))]
    return {
        split: sorted(position for part in parts for position in part[side])
        for side, split in enumerate(("train", "val"))
    }


def published_domain_split(domains: Sequence[int], step: Step, split: str) -> list[int]:
    """Positions of a step's images in "train", "val" or "test", in the order of PLOP and RCIL.

    They shuffle the step's cities together, and for a test the cities of all steps so far. The two splits
    differ, so from step 1 on a test contains training images: 71 % of them at step 2 of 11-5.
    """
    first = 0 if split == "test" else step.index
    wanted = {domain for group in step.domains[first : step.index + 1] for domain in group}
    train, rest = shuffled_split([position for position, domain in enumerate(domains) if domain in wanted])
    return train if split == "train" else rest


# -- classes -------------------------------------------------------------------------------------------------
def assign_classes(
    shown: np.ndarray,
    priority: Sequence[int] = CLASS_PRIORITY,
    *,
    room: int = ROOM,
    without_limit: int = WITHOUT_LIMIT,
) -> np.ndarray:
    """The class that each image is assigned to, int (N,); -1 for images left over.

    Args:
        shown: bool (N, C), whether the image shows the class.
        priority: classes in the order in which they choose; each takes the first images that are left.
        room: images per class.
        without_limit: class to which `room` does not apply.
    """
    serves = np.full(len(shown), -1)
    for label in priority:
        free = np.flatnonzero(shown[:, label] & (serves == -1))
        serves[free if label == without_limit else free[:room]] = label
    return serves


def class_rows(serves: np.ndarray, labels: Sequence[int]) -> list[int]:
    """Positions of the images assigned to one of `labels`, class by class."""
    return [int(row) for label in labels for row in np.flatnonzero(serves == label)]


# -- data sets -----------------------------------------------------------------------------------------------
class CityscapesFiles(FileDataset):
    """What both data sets share: the files of the official archives leftImg8bit and gtFine.

    Args:
        root: folder with leftImg8bit/ and gtFine/.
    """

    expected = {"train": 2975, "val": 500}

    def __init__(self, root: Path | str):
        super().__init__(root)
        for folder in ("leftImg8bit", "gtFine"):
            if not (self.root / folder).is_dir():
                raise FileNotFoundError(f"no {folder} in {self.root}; give --data_root (see data/README.md)")

    def official(self, split: str) -> list[Sample]:
        """The images of an official split, ordered by city and name."""
        samples = []
        for image in sorted((self.root / "leftImg8bit" / split).glob("*/*_leftImg8bit.png")):
            city, stem = image.parent.name, image.name.removesuffix("_leftImg8bit.png")
            if city not in CITIES:
                raise ValueError(f"{image} is of the city {city}, which Cityscapes does not have")
            mask = self.root / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png"
            samples.append(Sample(f"{city}/{stem}", image, mask, CITIES.index(city)))
        return samples


class CityscapesDomain(CityscapesFiles):
    """Domain-incremental Cityscapes: the 19 classes from the start, new cities at every step; no background.

    The 3,475 images of both official splits form one pool, of which a fifth of each city is held out.

    Args:
        root: folder with leftImg8bit/ and gtFine/.
        leaky: split as published, where tests contain training images (`published_domain_split`).
    """

    name = "cityscapes_domain"
    class_names = tuple(CLASSES)
    has_background = False
    label_map = label_map(0)

    def __init__(self, root: Path | str, *, leaky: bool = False):
        super().__init__(root)
        self.leaky = leaky
        self.expected = {} if leaky else {"train": 2772, "val": 703}

    def list_samples(self, split: str) -> list[Sample]:
        pool = self.official("train") + self.official("val")
        kept = range(len(pool)) if self.leaky else self._clean(pool, split)
        return [pool[position] for position in kept]

    def _clean(self, pool: list[Sample], split: str) -> list[int]:
        parts = clean_domain_split([sample.domain for sample in pool])
        if split not in parts:
            raise ValueError(f"{self.name} has no split {split!r}; known: {', '.join(parts)}")
        return parts[split]

    def rows(self, step: Step, split: str, shown: Callable[[], np.ndarray]) -> np.ndarray | None:
        """Positions of a step's images; None to select them by their domain.

        Raises:
            ValueError: if the images of all cities of the step are missing.
        """
        domains = [sample.domain for sample in self.samples("train")]
        cities = step.domains[step.index]
        if split == "train" and not set(cities) & set(domains):
            names = ", ".join(CITIES[city] for city in cities)
            raise ValueError(f"{self.root} has no image of {names}, which step {step.index} trains on")
        if not self.leaky:
            return None
        return np.sort(published_domain_split(domains, step, split))


class CityscapesClasses(CityscapesFiles):
    """Class-incremental Cityscapes (10-9): classes 1 to 19, and a background of future classes only.

    Every image belongs to one step, that of the class it is assigned to (`assign_classes`). As in every data
    set, old classes become background in the labels of later steps; RCIL intends to keep them, which is
    masking "current+old".
    """

    # Differs from RCIL, whose code for this fails with an error; this is the rule that it intends.
    name = "cityscape"
    class_names = ("background", *CLASSES)
    label_map = label_map(1)

    def list_samples(self, split: str) -> list[Sample]:
        if split not in self.expected:
            raise ValueError(f"{self.name} has no split {split!r}; known: {', '.join(self.expected)}")
        return self.official(split)

    def rows(self, step: Step, split: str, shown: Callable[[], np.ndarray]) -> np.ndarray | None:
        """Positions of a step's images; `shown()` is bool (N, 256), the labels in each image of the split."""
        if step.num_steps == 1:
            return None
        labels = step.seen if split == "test" else step.new
        return np.sort(class_rows(assign_classes(shown()), labels))
