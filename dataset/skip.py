"""Leave out images that cannot be used, instead of stopping at the first of them."""

import logging

from dataset.base import Sample, SegmentationDataset
from dataset.files import FileDataset
from dataset.presence import accepted, by_main
from dataset.threads import in_threads
from utils.decoding.decode import BadFileError
from utils.main_process import is_main

log = logging.getLogger(__name__)


def skip_bad_images(dataset: SegmentationDataset) -> None:
    """Decode every image and mask of `dataset` once, and note in `dataset.skipped` which cannot be used.

    A file that is missing, damaged, of another size than its picture, or shows a label that is no class.
    The first process works, all leave out the same. Lists themselves must be right. Datasets that make their
    images have no bad ones.

    Raises:
        ValueError, FileNotFoundError: if the data are not there at all.
    """
    if not isinstance(dataset, FileDataset):
        return
    dataset.skipped = by_main(lambda: _find(dataset))
    if dataset.skipped and is_main():
        first = dataset.skipped[0]["reason"]
        number = len(dataset.skipped)
        log.warning(f"{number} images of {dataset.name} are left out; the first, because {first}")


def _find(dataset: FileDataset) -> tuple[dict[str, str], ...]:
    def complaint(sample: Sample) -> str:
        try:
            accepted(dataset.survey(sample))
            dataset.read(sample)
        except BadFileError as error:
            return str(error)
        return ""

    found = []
    for split in dict.fromkeys(("train", "val", dataset.test_split)):
        samples = dataset.list_samples(split)
        reasons = in_threads(complaint, samples, f"{dataset.name} {split}: looking for bad images")
        found += [
            {"split": split, "id": sample.id, "reason": reason}
            for sample, reason in zip(samples, reasons, strict=True)
            if reason
        ]
    return tuple(found)
