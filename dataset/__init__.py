"""Datasets, which of their images and labels a step sees, and how batches are made of them."""

from pathlib import Path

from dataset.ade import ADE
from dataset.base import SegmentationDataset
from dataset.cityscapes import CityscapesClasses, CityscapesDomain
from dataset.folder import Folder, described_tasks
from dataset.image_folders import ImageFolders, ImageNet100
from dataset.shapes import Shapes
from dataset.voc import VOC
from task_tables import TASKS
from utils.naming import closest

DATASETS: dict[str, type[SegmentationDataset]] = {
    "shapes": Shapes,
    "voc": VOC,
    "ade": ADE,
    "cityscapes_domain": CityscapesDomain,
    "cityscape": CityscapesClasses,
    "imagenet100": ImageNet100,
    "image_folders": ImageFolders,
}


def first_task(name: str) -> str:
    """The task of a data set that is taken if nobody names one: the first that has several steps.

    Raises:
        ValueError: if neither the published tasks nor the data set, which may be a YAML file, say any.
    """
    if name.lower().endswith((".yaml", ".yml")):
        tasks, line = described_tasks(name), "tasks: [6-1]"
    else:
        name = closest(name, DATASETS, "dataset")
        tasks = (*TASKS.get(name, ()), *DATASETS[name].tasks)
        line = "" if DATASETS[name].one_label else 'tasks = ("6-1",)'  # folders have no file for it
    several = [task for task in tasks if task != "offline"]
    if not tasks:
        raise ValueError(
            f"{name} names no tasks: choose one with --task, such as 6-1 (6 classes first, then 1 per step) "
            f"or offline (all at once){f', or add a line `{line}`' if line else ''}"
        )
    return (several or tasks)[0]


def has_one_label(name: str) -> bool:
    """Whether each picture of the data set called `name` has one label; one's own data by YAML have masks."""
    own = name.lower().endswith((".yaml", ".yml"))
    return not own and DATASETS[closest(name, DATASETS, "dataset")].one_label


def build_dataset(name: str, root: Path | str = "", *, leaky: bool = False) -> SegmentationDataset:
    """The dataset called `name` in the folder `root`; the name of a YAML file means one's own data.

    Args:
        leaky: cut the cities of Cityscapes as published, so that tests contain training images.

    Raises:
        ValueError: if there is no such dataset; the message names the nearest one.
        FileNotFoundError: if its files are not there.
    """
    if name.lower().endswith((".yaml", ".yml")):
        kind, options = Folder, {"description": name}
    else:
        kind, options = DATASETS[closest(name, DATASETS, "dataset")], {}
    if leaky:
        if kind is not CityscapesDomain:
            raise ValueError(f"--leaky_split is a way to cut {CityscapesDomain.name}, not {name}")
        options["leaky"] = True
    return kind(root, **options)
