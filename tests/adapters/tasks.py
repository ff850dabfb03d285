"""Tasks, and how Cityscapes' images are given to steps."""

import numpy as np

from dataset.cityscapes import (
    CITIES,
    CityscapesDomain,
    assign_classes,
    class_rows,
    label_map,
    published_domain_split,
)
from tasks import named_step
from tests.adapters import adapter
from utils.labels import IGNORE

SPLITS = ("train", "val", "test")
CLASSES = {"voc": 21, "ade": 151, "cityscape": 20, "cityscapes_domain": 19}


def step_of(dataset, task):
    return named_step(dataset, CLASSES[dataset], task, has_background=dataset != "cityscapes_domain")


def taught(dataset, task):
    """What the published tables list for each step: labels, or domains."""
    step = step_of(dataset, task)
    return [list(group) for group in step.domains or step.groups]


@adapter("mib.tasks", "mib.tasks_extra")
def mib_tasks(content, params):
    for system in content.values():
        names = []
        for dataset, tasks in system["datasets"].items():
            for task in tasks:
                groups = taught(dataset, task)
                sizes = [len(group) for group in groups]
                names.append(step_of(dataset, task).task)
                tasks[task] = [
                    {
                        "step": step,
                        "labels": group,
                        "n_old": sum(sizes[:step]),
                        "path_base": f"data/{dataset}/{step_of(dataset, task).task}",
                        "classes_per_step": sizes[: step + 1],
                    }
                    for step, group in enumerate(groups)
                ]
        if "task_list_order" in system:
            system["task_list_order"] = names
    return content


@adapter("dft.tasks")
def dft_tasks(content, params):
    return {
        dataset: {task: dict(enumerate(taught(dataset, task))) for task in tasks}
        for dataset, tasks in content.items()
    }


@adapter("rcil.tasks")
def rcil_tasks(content, params):
    found = dft_tasks(content, params)
    for task, groups in found["ade"].items():  # stored as first and last of a range
        assert all(group == list(range(group[0], group[-1] + 1)) for group in groups.values())
        found["ade"][task] = {step: [group[0], group[-1]] for step, group in groups.items()}
    return found


@adapter("eir.tasks")
def eir_tasks(content, params):
    found = dft_tasks(content, params)  # the same without background
    return {
        dataset: {
            task: {step: [label for label in group if label] for step, group in groups.items()}
            for task, groups in tasks.items()
        }
        for dataset, tasks in found.items()
    }


def domains_of(counts):
    """City numbers of a pool with `counts` images per city: training cities by name, then validation
    cities."""
    return [CITIES.index(city) for city in counts for _ in range(counts[city])]


@adapter("mib.cityscapes_domain")
def mib_cityscapes_domain(content, params):
    for case in content["cases"]:
        step = named_step("cityscapes_domain", 19, case["task"], case["step"], has_background=False)
        first = 0 if case["split"] == "test" else case["step"]
        case["domains"] = [domain for group in step.domains[first : case["step"] + 1] for domain in group]
        case["indices"] = published_domain_split(content["domain_of_image"], step, case["split"])
    content["target"] = label_map(0)[np.array(content["label_ids"])].tolist()
    content["city_to_id"] = {city: number for number, city in enumerate(CITIES)}
    return content


@adapter("rcil.cityscapes_domain_split")
def rcil_cityscapes_domain_split(content, params):
    counts = content["city_image_counts"]
    train, val = (dict(sorted(counts[split].items())) for split in ("train", "val"))
    domains = domains_of(train) + domains_of(val)
    for task, steps in content["tasks"].items():
        for index, splits in steps.items():
            step = named_step("cityscapes_domain", 19, task, int(index), has_background=False)
            steps[index] = {split: published_domain_split(domains, step, split) for split in splits}
    return content


@adapter("rcil.cityscapes_domain_lists")
def rcil_cityscapes_domain_lists(content, params):
    domains = domains_of(content["image_counts_per_city_from_dataset"])
    for task, steps in content["tasks"].items():
        trained = set()
        for index in steps:
            step = named_step("cityscapes_domain", 19, task, int(index), has_background=False)
            train, val, test = (set(published_domain_split(domains, step, split)) for split in SPLITS)
            steps[index] = {
                "domain_ids": step.domains[step.index],
                "cities": [CITIES[domain] for domain in step.domains[step.index]],
                "n_train": len(train),
                "n_val": len(val),
                "n_test": len(test),
                "test_images_seen_in_earlier_training": len(test & trained),
                "test_images_in_current_training_set": len(test & train),
            }
            trained |= train
    return content | {
        "city_to_id": {city: number for number, city in enumerate(CITIES)},
        "label_id_to_class": label_ids(label_map(0), content["label_id_to_class"]),
        "num_classes": len(CityscapesDomain.class_names),
        "ignore": IGNORE,
    }


def label_ids(table, keys):
    """The table for the listed label ids; -1 (licence plate) is 255 in a PNG."""
    return {key: int(table[int(key)]) for key in keys}


@adapter("rcil.cityscape_cil_assignment")
def rcil_cityscape_cil_assignment(content, params):
    table = label_map(1)
    assert label_ids(table, params["label_id_to_class"]) == params["label_id_to_class"]
    serves = {}
    for split, images in content["label_ids_per_image"].items():
        shown = np.zeros((len(images), 256), bool)
        for row, ids in enumerate(images):
            shown[row, table[ids]] = True
        serves[split] = assign_classes(
            shown,
            params["class_priority"],
            room=params["max_images_per_class"],
            without_limit=params["exception_unlimited_class"],
        )
    for index, splits in content["steps"].items():
        step = named_step("cityscape", 20, "10-9", int(index))
        assert {str(number): list(group) for number, group in enumerate(step.groups)} == params["tasks"]
        labels = {"train": step.new, "val": step.new, "test": step.seen}
        for split in splits:
            splits[split] = class_rows(serves["train" if split == "train" else "val"], labels[split])
    return content
