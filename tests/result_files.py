"""Result files of runs whose numbers are known."""

from types import SimpleNamespace

import torch

from config.flags import DEFAULTS
from metrics.confusion import ConfusionMatrix
from metrics.results import write_result
from tasks import Step

GROUPS = ((0, 1, 2), (3,), (4,))
NAMES = ("background", "disc", "ring & rod", "plus", "star", *(f"shape {number}" for number in range(5, 40)))
DATASET = SimpleNamespace(class_names=NAMES, one_label=False, skipped=())


def write_run(root, method, *, seed=42, right=0.8, groups=GROUPS, steps=None, dataset="shapes", task="2-1",
              shared=100, seconds=10.0, trainable=1000, **config):  # fmt: skip
    """Result files of a run of which the share `right` of every class's pixels is right."""
    config = dict(DEFAULTS) | {"method": method, "seed": seed, "backbone": "tiny"} | config
    folder = (
        root
        / f"{dataset}_{task}_{config['setting']}"
        / "_".join(map(str, (method, *config.values(), right)))[:60]
    )
    folder = folder.with_name(f"{folder.name}_{len(list(folder.parent.glob('*')))}")
    for index in range(len(groups)) if steps is None else steps:
        step = Step(dataset, task, index, groups)
        matrix = ConfusionMatrix(step.num_seen)
        truth = torch.arange(step.num_seen).repeat_interleave(shared)
        guess = torch.where(
            torch.arange(len(truth)) % shared < right * shared, truth, (truth + 1) % step.num_seen
        )
        matrix.update(truth.view(1, 1, -1), guess.view(1, 1, -1))
        cost = {"seconds": seconds, "images": 10, "images_trained": 20, "peak_memory_bytes": 0,
                "trainable_parameters": trainable, "finetuning_parameters": 1000}  # fmt: skip
        content = {
            "method": method,
            "config": config,
            "cost": cost,
            "versions": {"device": "cpu", "git": "abc"},
        }
        write_result(folder, matrix, step, DATASET, content, num_images=1)
    return folder


def joint(root, **options):
    return write_run(root, "FT", groups=(tuple(range(5)),), task="offline", **options)


def compared(root):
    """Result files of two methods, one of them with two seeds, and of joint training; returns `root`."""
    write_run(root, "FT", right=0.3)
    write_run(root, "DFT*", right=0.6, trainable=10)
    write_run(root, "DFT*", right=0.8, trainable=10, seed=1)
    joint(root, right=0.9)
    return root
