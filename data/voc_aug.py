"""SegmentationClassAug: the masks that everybody trains VOC on, made from VOC2012 and SBD.

VOC's own masks where VOC has them (2,913 images); else those of the Semantic Boundaries Dataset (Hariharan et
al., ICCV 2011; its training and validation images alike): 12,031 images in all. Without the 1,449 validation
images of VOC 10,582 are left to train on.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import loadmat

from data.unpack import wanted
from dataset.base import voc_palette
from dataset.voc import AUGMENTED, LISTS, OFFICIAL
from utils.files import write_bytes

CLASS_MASKS = r"(?:[\w-]+/)?dataset/cls/(?P<id>\d{4}_\d{6})\.mat"


def augment(root: Path, sbd: Path) -> None:
    """Complete the folder SegmentationClassAug in the VOC2012 folder `root`; masks that are there stay.

    Args:
        root: VOC2012 folder with SegmentationClass.
        sbd: the archive benchmark.tgz.

    Raises:
        ValueError: if `sbd` is damaged or has a mask that is none.
    """
    for mask in sorted((root / OFFICIAL).glob("*.png")):
        target = root / AUGMENTED / mask.name
        if not target.is_file():
            write_bytes(target, mask.read_bytes())
    for match, _, read in wanted(sbd, CLASS_MASKS):
        target = root / AUGMENTED / f"{match['id']}.png"
        if not target.is_file():
            write_bytes(target, index_png(class_mask(read(), f"{sbd}: {match[0]}")))


def class_mask(content: bytes, name: str) -> np.ndarray:
    """Labels uint8 (H, W) in the bytes of one of SBD's .mat files.

    Raises:
        ValueError: naming the file, if it does not hold labels 0..20 or 255.
    """
    try:
        mask = loadmat(io.BytesIO(content), variable_names=["GTcls"])["GTcls"]["Segmentation"][0, 0]
    except Exception as error:  # scipy raises whatever a broken file makes it stumble over
        raise ValueError(f"{name} is no class mask of SBD ({error or type(error).__name__})") from None
    if not isinstance(mask, np.ndarray) or mask.ndim != 2 or mask.dtype.kind not in "ui" or mask.size == 0:
        raise ValueError(f"{name} holds no label per pixel")
    strange = set(np.unique(mask).tolist()) - {*range(21), 255}
    if strange:
        raise ValueError(f"{name} has label {min(strange)}; VOC has 0..20 and 255")
    return mask.astype(np.uint8)


def index_png(mask: np.ndarray) -> bytes:
    """`mask` uint8 (H, W) as a palette PNG in VOC's colours."""
    image = Image.fromarray(mask)
    image.putpalette(voc_palette().flatten().tolist())
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def list_training_images(root: Path) -> None:
    """Write trainaug.txt, sorted by name, unless there is a training list already."""
    if any((root / name).is_file() for name in LISTS["train"]):
        return
    held_out = set((root / LISTS["val"][-1]).read_text("utf-8").split())
    ids = sorted(mask.stem for mask in (root / AUGMENTED).glob("*.png") if mask.stem not in held_out)
    write_bytes(root / LISTS["train"][-1], "".join(f"{id}\n" for id in ids).encode())
