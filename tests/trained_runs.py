"""Checkpoints of FT and DFT* with random weights, as run.py writes them, for tests of the analyses."""

from pathlib import Path

import torch

import argparser
from config import build
from dataset import build_dataset
from experiment import checkpoint
from methods import METHODS
from tasks import make_step

WORDS = "--task 4-1 --crop_size 32 --backbone tiny --output_stride 8 --recipe none --num_workers 0".split()


def make_runs(data: Path, root: Path) -> dict[str, Path]:
    """Folders below `root` with checkpoints of three steps, by method; `data` is the YAML of a dataset."""
    folders, content = {}, {}
    for name in ("FT", "DFT*"):
        config = argparser.resolve(["--method", name, "--dataset", str(data), *WORDS], {})
        torch.manual_seed(0)
        for index in range(3):
            step = make_step(build_dataset(config.dataset), config.task, index)
            method = METHODS[name](step, **config.hyper)
            net = method.build_model(step, build.network_parts(config, pretrained=False))
            if index and name == "DFT*":  # all of whose networks have the same shape
                net.load_state_dict(content["net"])
            content = {"method": name, "dataset": step.dataset, "task": step.task, "step": index}
            content |= {"groups": [list(group) for group in step.groups], "config": build.flat(config)}
            content |= {"net": net.state_dict(), "method_state": {}}
            folders[name] = root / build.run_files(config).run
            checkpoint.save(content, folders[name] / f"step_{index}.pt")
    return folders
