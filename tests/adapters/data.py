"""Data: which images a step sees, what becomes of their labels, crops."""

import random
import tempfile

import torch

from dataset import DATASETS
from dataset.base import Sample, SegmentationDataset
from dataset.images import apply_table
from dataset.increment import increment_data
from dataset.rules import lookup_table
from dataset.transform import crop_box
from tasks import Step
from tests.adapters import adapter
from utils.labels import IGNORE


class Maps(SegmentationDataset):
    """The label maps of a case as a dataset whose splits all hold the same images."""

    def __init__(self, name, maps):
        super().__init__("")
        published = DATASETS[name]
        self.name, self.class_names = name, published.class_names
        self.background_is_unlabelled = published.background_is_unlabelled
        self.maps = maps

    def samples(self, split):
        return [Sample(id) for id in self.maps]

    def read_mask(self, sample):
        return torch.as_tensor(self.maps[sample.id], dtype=torch.uint8)


def step_of(dataset, task, labels, old):
    """The step that teaches `labels` after `old`."""
    new, old = [label for label in labels if label], [label for label in old if label]
    if not old:
        return Step(dataset, task, 0, ((0, *new),))
    return Step(dataset, task, 1, ((0, *old), tuple(new)))


@adapter("mib.labels")
def mib_labels(content, params):
    images = dict(zip(map(str, range(len(content["label_images"]))), content["label_images"], strict=True))
    dataset = Maps(content["cases"][0]["dataset"], images)
    first = torch.tensor(content["label_images"][content["target_is_of_label_image"]], dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as cache:
        for case in content["cases"]:
            masking = "current" if case.get("masking", True) else "current+old"
            if case["dataset"] == "voc":  # the published ADE reader does not look at this flag
                masking = case.get("data_masking", masking)
            data = increment_data(
                dataset,
                step_of(case["dataset"], case["task"], case["labels"], case["labels_old"]),
                setting="overlap" if case["overlap"] else "disjoint",
                protocol=case["repo"],
                masking=masking,
                ignore_background=case.get("ignore_test_bg", False),
                cache_dir=cache,
            )
            case["selected"] = data.rows(case["split"]).tolist()
            case["target"] = apply_table(data.table(case["split"]), first).tolist()
    return content


@adapter("dft.labels")
def dft_labels(inputs, params):
    dataset = Maps(params["dataset"], {str(row): labels for row, labels in enumerate(inputs["raw_labels"])})
    kind, labels, old = params["kind"], params["labels"], params["labels_old"]
    if kind == "probe":
        step = Step(
            params["dataset"], params["task"], params["step"], (tuple(labels),) * (params["step"] + 2)
        )
    elif kind == "proto":  # the last step of the task: all its classes
        known = (*old, *labels)
        rest = [label for label in range(len(dataset.class_names)) if label not in known]
        step = step_of(params["dataset"], params["task"], [*labels, *rest], old)
    else:
        step = step_of(params["dataset"], params["task"], labels, old)
    split = {"probe": "train", "proto": "test"}.get(kind, kind)
    with tempfile.TemporaryDirectory() as cache:
        data = increment_data(dataset, step, cache_dir=cache)
        rows = data.rows(split)
        maps = [apply_table(data.table(split), dataset.read_mask(sample)) for sample in data.samples(split)]
    return {"indices": torch.from_numpy(rows), "mapped_labels": torch.stack(maps)}


@adapter("eir.image_filter")
def eir_image_filter(content, params):
    dataset = Maps("voc", {id: [labels] for id, labels in content["images"].items()})
    with tempfile.TemporaryDirectory() as cache:
        for case in content["selections"]:
            step = step_of("voc", case["task"], case["new"], case["old"])
            data = increment_data(dataset, step, setting=case["setting"], cache_dir=cache)
            case["selected"] = [sample.id for sample in data.samples(case["split"])]
    return content


@adapter("eir.label_remap")
def eir_label_remap(inputs, params):
    """This system keeps dataset ids as model indices."""
    new, old = params["new"], params["old"]
    tables = {
        split: lookup_table({label: label for label in (0, IGNORE, *kept)}, fill=params["masking_value"])
        for split, kept in {"train": new, "val": new, "test": old + new}.items()
    }
    return {f"out_{split}": apply_table(table, inputs["in_label"]) for split, table in tables.items()}


@adapter("mib.random_resized_crop_params")
def crop_params(content, params):
    for case in content["cases"]:
        rng = random.Random(case["python_random_seed"])
        case["ijhw"] = [list(crop_box(rng, case["width"], case["height"])) for _ in case["ijhw"]]
    return content
