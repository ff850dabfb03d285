"""A small data set on disk, and a command line that runs in the test's own process."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import run
from dataset.shapes import Shapes
from tests.trained_runs import make_runs

ROOT = Path(__file__).resolve().parent.parent
SMALL = [
    *("--crop_size", "32", "--batch_size", "4", "--epochs", "1", "--num_workers", "0"),
    *("--recipe", "none", "--backbone", "tiny", "--output_stride", "8"),
    *("--queries", "6", "--decoder_layers", "2", "--mask_points", "32"),  # of the mask head
]

torch.set_num_threads(1)


def until(condition, seconds: float = 120.0) -> bool:
    """Whether `condition` came true in time."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return bool(condition())


def descendants(pid: int) -> list[int]:
    """Processes below `pid`."""
    listing = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listing.splitlines()[1:]]
    below = [child for child, parent in pairs if parent == pid]
    return below + [pid for child in below for pid in descendants(child)]


@pytest.fixture(scope="session")
def small_data(tmp_path_factory) -> Path:
    """YAML file of a folder data set: 40 + 12 generated images of 36 pixels, 6 classes and background."""
    root = tmp_path_factory.mktemp("small")
    shapes = Shapes(size=36, num_train=40, num_val=12)
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        for sample in shapes.samples(split):
            image, labels = shapes.read(sample)
            name = sample.id.replace("/", "_")
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(
                root / split / "images" / f"{name}.jpg", quality=95
            )
            Image.fromarray(labels.numpy().astype(np.uint8)).save(root / split / "masks" / f"{name}.png")
    (root / "small.yaml").write_text(
        f"classes: [{', '.join(shapes.class_names)}]\n"
        "train: {images: train/images, masks: train/masks}\n"
        "val: {images: val/images, masks: val/masks}\n",
        encoding="utf-8",
    )
    return root / "small.yaml"


@pytest.fixture
def cli(small_data, tmp_path, monkeypatch, capsys):
    """`cli(*argv)` runs run.py on the small data in an empty folder: exit status, output, errors."""
    monkeypatch.chdir(tmp_path)

    def call(*argv: str, defaults: bool = True) -> tuple[int, str, str]:
        start = ["--dataset", str(small_data), "--task", "4-1", *SMALL] if defaults else []
        status = run.main([*start, *map(str, argv)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture(scope="session")
def runs(small_data, tmp_path_factory) -> dict[str, Path]:
    """Folders of checkpoints of FT and DFT*, three steps each, with random weights."""
    return make_runs(small_data, tmp_path_factory.mktemp("runs"))


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty folder, where the test works."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def processes(small_data, tmp_path):
    """`processes(n, *argv)` runs run.py under torchrun with n processes in an empty folder."""

    def call(count: int, *argv: str, launcher: str = "torch.distributed.run") -> subprocess.CompletedProcess:
        command = [
            sys.executable,
            "-m",
            launcher,
            "--standalone",
            "--nproc_per_node",
            str(count),
            str(ROOT / "run.py"),
            "--dataset",
            str(small_data),
            "--task",
            "4-1",
            *SMALL,
            *argv,
        ]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=120, env=environment
        )

    return call
