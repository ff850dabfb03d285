"""What every dataset offers: a list of samples per split, and how one of them is read."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dataset.samples import Sample, Samples
from dataset.survey import Survey, count, mapped, strange
from tasks import Step
from utils.decoding.counting import counted
from utils.decoding.decode import AS_THEY_ARE, BadFileError, Reading, named, read_image, read_index_mask
from utils.labels import IGNORE

if TYPE_CHECKING:
    from torch import Tensor

AREA = (0.5, 2.0)  # of the image; shares above 1 never fit, so crops are 0.5 to 1 of the image


class SegmentationDataset(ABC):
    """Images with one label per pixel. Labels are the dataset's own: class indices, or 255 for void.

    A dataset that generates its images overrides `samples`, `read`, `read_mask` and `fingerprint`.

    Args:
        root: folder that holds the data.

    Attributes:
        name: e.g. "voc".
        class_names: name of each dataset label, background (if any) first.
        has_background: whether label 0 is background: what pixels of unlearned classes turn into.
        one_label: whether a picture has one label for all of it; then label maps are (1, 1).
        background_is_unlabelled: whether label 0 means "not labelled" (ADE20K); not scored by protocol mib.
        label_map: table (256,) from values in mask files to dataset labels; None if they are the same.
        test_split: split that results are reported on.
        notes: what a user of a certain setting ("disjoint") should know about this dataset.
        crop_area: least and largest share of a picture that a training crop is drawn to have.
        view_margin: side of the resized picture over that of the central square that tests look at.
        pictures: how picture files become 8-bit RGB.
        reading: text of all else that decides what is read from a file.
        surveys_pictures: whether `survey` looks at pictures, too.
        skipped: images that were left out by `dataset.skip`: split, id and reason of each.
        class_order: labels in the order in which tasks of counts take them; (): ascending.
        tasks: of which the first is taken where nobody names one, such as "6-1"; published ones stand in
            `task_tables`.
        named_steps: labels of each step of the task `steps`; () if there is none.
    """

    name: str
    class_names: tuple[str, ...]
    has_background: bool = True
    one_label: bool = False
    background_is_unlabelled: bool = False
    label_map: np.ndarray | None = None
    test_split: str = "val"
    crop_area: tuple[float, float] = AREA
    view_margin: float = 1.0
    pictures: Reading = AS_THEY_ARE
    reading: str = ""
    surveys_pictures: bool = False
    notes: Mapping[str, str] = {}
    skipped: tuple[dict[str, str], ...] = ()
    class_order: tuple[int, ...] = ()
    tasks: tuple[str, ...] = ()
    named_steps: tuple[tuple[int, ...], ...] = ()

    def __init__(self, root: Path | str):
        self.root = Path(root).expanduser()

    @abstractmethod
    def samples(self, split: str) -> Sequence[Sample]:
        """The images of `split` ("train", "val", and what `test_split` names), in a fixed order.

        Raises:
            FileNotFoundError: if the data is not there.
            ValueError: if the dataset has no such split.
        """

    def read(self, sample: Sample) -> "tuple[Tensor, Tensor]":
        """Picture uint8 (3, H, W) in RGB and dataset labels uint8 (H, W) of `sample`.

        Raises:
            BadFileError: a ValueError that names the file that cannot be used, and why.
        """
        image, mask = self.read_picture(sample), self.read_mask(sample)
        if image.shape[1:] != mask.shape:
            own, other = (f"{width}x{height}" for height, width in (mask.shape, image.shape[1:]))
            raise BadFileError(f"{sample.mask} is {own} pixels, but its image {sample.image} is {other}")
        return image, mask

    def read_picture(self, sample: Sample) -> "Tensor":
        """Picture uint8 (3, H, W) of `sample`, without touching its mask."""
        return read_image(sample.image, self.pictures)

    def read_mask(self, sample: Sample) -> "Tensor":
        """Dataset labels uint8 (H, W) of `sample`, without touching its picture."""
        mask = read_index_mask(sample.mask)
        return mask if self.label_map is None else mask.new_tensor(self.label_map[mask.numpy()])

    def survey(self, sample: Sample) -> Survey:
        """What the scan of all masks notes of `sample`: pixels of each label, and what is wrong with it.

        Raises:
            BadFileError: if its mask cannot be read or has labels that are no class.
        """
        counts = self.count_labels(sample)
        odd = strange(counts, len(self.class_names))
        if len(odd):
            if self.label_map is not None:  # name the values that the file has
                odd = np.flatnonzero(np.isin(self.label_map, odd))
            raise BadFileError(
                f"{sample.mask or sample.id} has label {', '.join(map(str, odd))}, but "
                f"{self.name} has classes 0..{len(self.class_names) - 1} (and {IGNORE} for void)"
            )
        return Survey(counts)

    def count_labels(self, sample: Sample) -> np.ndarray:
        """Pixels of each label in the mask of `sample`, int64 (256,)."""
        found = named(sample.mask, lambda: counted(sample.mask)) if sample.mask else None
        if found is None:
            return count(self.read_mask(sample))
        return found.counts if self.label_map is None else mapped(found.counts, self.label_map)

    def judge(self, split: str, table) -> None:  # noqa: B027 (a hook)
        """Refuse what the scan of a whole `split` (its `Presence`) shows to be read wrong; here nothing.

        Raises:
            ValueError: naming it, and what helps.
        """

    def rows(self, step: Step, split: str, shown: Callable[[], np.ndarray]) -> np.ndarray | None:
        """Positions of the images of `step` in `samples`, for datasets with a rule of their own.

        Args:
            step: the increment.
            split: "train", "val" or "test".
            shown: gives, at the cost of a scan, whether an image shows a label: bool (N, 256).

        Returns:
            ascending positions; None, as here, for the rule that the setting names.
        """
        return None

    def offered(self, step: Step, split: str) -> np.ndarray | None:
        """Which images of `split` are there for `step`, bool (N,), where steps bring their own; None: all."""
        return None

    def fingerprint(self, split: str) -> str:
        """Hash of classes, image ids and sizes of mask files of `split`; the same on every machine."""
        # Without an own way of reading the hash is that of versions which knew none.
        words = [str(self.has_background), *self.class_names, *([self.reading] if self.reading else [])]
        digest = hashlib.sha256("\n".join(words).encode())
        if self.label_map is not None:
            digest.update(self.label_map.tobytes())
        samples = Samples.of(self.samples(split))
        for id, size in zip(samples.ids(), samples.versions[:, 1, 0].tolist(), strict=True):
            digest.update(f"\n{id}\t{size}".encode())
        return digest.hexdigest()

    @cached_property
    def stored(self) -> Mapping[int, int | Sequence[int]]:
        """What mask files have for each label: a colour, or the first value that becomes the label."""
        table = np.arange(256) if self.label_map is None else self.label_map
        return {label: int((table == label).argmax()) for label in range(len(self.class_names))}

    @cached_property
    def palette(self) -> np.ndarray:
        """Colour of each label, uint8 (256, 3); VOC's unless the dataset has its own."""
        return voc_palette()


def voc_palette() -> np.ndarray:
    """The PASCAL VOC colour map, uint8 (256, 3): bit k of a label sets bit 7 - k // 3 of channel k % 3."""
    labels = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        palette[:, bit % 3] |= ((labels >> bit & 1) << (7 - bit // 3)).astype(np.uint8)
    return palette
