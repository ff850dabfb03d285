"""Lists of image numbers as the published systems made them, checked against what the images show."""

from pathlib import Path

import numpy as np

from dataset.presence import Presence
from dataset.rules import shows
from tasks import Step


def published_rows(path: Path, table: Presence, step: Step, split: str) -> np.ndarray:
    """The image numbers in a published .npy file, checked against what the images show.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no list of image numbers, or was made for another order of the images.
    """
    if not path.is_file():
        raise FileNotFoundError(f"--index_dir: there is no {path}")
    try:
        rows = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError):
        raise ValueError(f"{path} is no .npy file of image numbers") from None
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or len(np.unique(rows)) < len(rows):
        raise ValueError(f"{path} is no list of different image numbers")
    classes = step.seen if split == "test" else step.new
    fits = rows.size == 0 or 0 <= rows.min() and rows.max() < table.num_images
    # Another order would show in many images; a few that differ may come from another release of the masks.
    if not fits or shows(table.showing, step, classes)[rows].mean() < 0.99:
        raise ValueError(
            f"{path} lists images that show no class of step {step.index}: it counts in the order of the "
            "published image list (for VOC splits/train_aug.txt), which must be there, too"
        )
    return np.sort(rows)
