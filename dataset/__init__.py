"""Datasets, which of their images and labels a step sees, and how batches are made of them."""

from pathlib import Path

from dataset.ade import ADE
from dataset.base import SegmentationDataset
from dataset.cityscapes import CityscapesClasses, CityscapesDomain
from dataset.folder import Folder
from dataset.shapes import Shapes
from dataset.voc import VOC
from utils.naming import closest

DATASETS: dict[str, type[SegmentationDataset]] = {
    "shapes": Shapes,
    "voc": VOC,
    "ade": ADE,
    "cityscapes_domain": CityscapesDomain,
    "cityscape": CityscapesClasses,
}


def build_dataset(name: str, root: Path | str = "") -> SegmentationDataset:
    """The dataset called `name` in the folder `root`; the name of a YAML file means one's own data.

    Raises:
        ValueError: if there is no such dataset; the message names the nearest one.
        FileNotFoundError: if its files are not there.
    """
    if name.lower().endswith((".yaml", ".yml")):
        return Folder(root, name)
    return DATASETS[closest(name, DATASETS, "dataset")](root)
