"""Datasets, which of their images and labels a step sees, and how batches are made of them."""

from pathlib import Path
from typing import TYPE_CHECKING

from dataset.own.description import described_tasks
from task_tables import TASKS
from utils.naming import closest
from utils.outline import declared_of
from utils.registry import Registry

if TYPE_CHECKING:
    from dataset.base import SegmentationDataset

DATASETS = Registry(
    {
        "shapes": "dataset.shapes:Shapes",
        "voc": "dataset.voc:VOC",
        "ade": "dataset.ade:ADE",
        "cityscapes_domain": "dataset.cityscapes:CityscapesDomain",
        "cityscape": "dataset.cityscapes:CityscapesClasses",
        "imagenet100": "dataset.image_folders:ImageNet100",
        "image_folders": "dataset.image_folders:ImageFolders",
    }
)
LEAKY = "cityscapes_domain"  # has a published cut whose tests contain training images


def first_task(name: str) -> str:
    """The task of a data set that is taken if nobody names one: the first that has several steps.

    Raises:
        ValueError: if neither the published tasks nor the data set, which may be a YAML file, say any.
    """
    if name.lower().endswith((".yaml", ".yml")):
        tasks, line = described_tasks(name), "tasks: [6-1]"
    else:
        name = closest(name, DATASETS, "dataset")
        tasks = (*TASKS.get(name, ()), *declared_of(DATASETS, name, "tasks"))
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
    return not own and declared_of(DATASETS, closest(name, DATASETS, "dataset"), "one_label")


def build_dataset(name: str, root: Path | str = "", *, leaky: bool = False) -> "SegmentationDataset":
    """The dataset called `name` in the folder `root`; the name of a YAML file means one's own data.

    Args:
        leaky: cut the cities of Cityscapes as published, so that tests contain training images.

    Raises:
        ValueError: if there is no such dataset; the message names the nearest one.
        FileNotFoundError: if its files are not there.
    """
    if name.lower().endswith((".yaml", ".yml")):
        from dataset.folder import Folder  # needs PyTorch, which names do not

        kind, options = Folder, {"description": name}
    else:
        name = closest(name, DATASETS, "dataset")
        kind, options = DATASETS[name], {}
    if leaky:
        if name != LEAKY:
            raise ValueError(f"--leaky_split is a way to cut {LEAKY}, not {name}")
        options["leaky"] = True
    return kind(root, **options)
