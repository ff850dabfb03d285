"""The demo's own parts: set-up, the pre-trained backbone, and the report."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from dataset.shapes import OtherShapes
from models import BACKBONES
from models.pretrained import read_weights
from scripts import demo_report, installed, pretrain_shapes
from scripts.pretrain_shapes import pretrain
from tests.trained_runs import make_runs
from train import Training

ROOT = Path(__file__).resolve().parent.parent


def result(method, step, ious, *, num_steps=3, forgetting=0.1, seconds=10.0, trainable=1000):
    names = ("background", "disc", "square", "plus", "star")
    taught = (0, 0, 0, 1, 2) if num_steps > 1 else (0,) * 5
    return {
        "schema": 1, "method": method, "dataset": "shapes", "task": "2-1", "setting": "overlap",
        "step": step, "num_steps": num_steps,
        "classes": [
            {"name": name, "step": at, "iou": iou} for name, at, iou in zip(names, taught, ious, strict=False)
        ],
        "over_steps": {"mean_forgetting": forgetting},
        "cost": {"seconds": seconds, "trainable_parameters": trainable},
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """What three runs leave: fine-tuning forgets, another method keeps, joint training knows all."""
    runs = {
        "shapes_2-1_overlap/FT_tiny": [
            result("FT", 0, (0.9, 0.8, 0.6), seconds=30),
            result("FT", 2, (0.8, 0.0, 0.0, 0.0, 0.4), forgetting=0.5, seconds=5),
        ],
        "shapes_2-1_overlap/Other_tiny": [
            result("Other", 0, (0.9, 0.8, 0.6), seconds=30),
            result("Other", 2, (0.9, 0.7, 0.5, 0.5, 0.3), trainable=49),
        ],
        "shapes_offline_overlap/FT_tiny": [result("FT", 0, (0.9, 0.9, 0.7, 0.7, 0.7), num_steps=1)],
    }
    for age, (name, results) in enumerate(runs.items()):
        path = tmp_path / "results" / name
        path.mkdir(parents=True)
        for one in results:
            (path / f"step_{one['step']}.json").write_text(json.dumps(one))
        os.utime(path, (age, age))
    return tmp_path


def test_table_has_a_row_per_run_with_the_numbers_of_its_files(folder):
    lines = demo_report.table(demo_report.collect(folder)).splitlines()
    rows = [line.split() for line in lines[1:4]]
    assert rows[0] == ["FT", "0.0", "20.0", "24.0", "50.0", "35", "30", "5", "1,000"]
    assert rows[1] == ["Other", "60.0", "40.0", "58.0", "10.0", "40", "30", "10", "49"]
    assert rows[2] == ["joint", "80.0", "70.0", "78.0", "-", "10", "10", "-", "1,000"]


def test_notes_name_the_classes_and_what_is_left_of_joint_training(folder):
    text = demo_report.table(demo_report.collect(folder))
    assert "old-bg: disc, square (step 0, without background);\nnew: plus, star (later steps)" in text
    assert "there is left: FT 0.0 %, Other 75.0 %." in text
    assert "does not rank" in text


def test_runs_know_the_checkpoint_of_their_last_step(folder):
    first = demo_report.collect(folder)[0]
    assert first.checkpoint == folder / "checkpoints" / "shapes_2-1_overlap" / "FT_tiny" / "step_2.pt"


def test_demo_ends_with_its_table_and_a_picture_of_every_run(folder, capsys):
    made = make_runs(Path("shapes"), folder / "made")
    for run, method, step in (
        ("shapes_2-1_overlap/FT_tiny", "FT", 2),
        ("shapes_2-1_overlap/Other_tiny", "DFT*", 2),
        ("shapes_offline_overlap/FT_tiny", "FT", 0),
    ):
        place = folder / "checkpoints" / run
        place.mkdir(parents=True)
        shutil.copy(made[method] / f"step_{step}.pt", place)
    assert demo_report.main([str(folder)]) == 0
    said = capsys.readouterr().out
    assert "does not rank" in said and f"picture: {folder / 'pictures.png'}" in said
    with Image.open(folder / "pictures.png") as picture:
        assert picture.width > 5 * 160 and picture.height > 6 * 160  # image, truth, three runs; six images


def test_a_demo_without_checkpoints_is_one_line(folder, capsys):
    assert demo_report.main([str(folder)]) == 2
    error = capsys.readouterr().err
    assert "no checkpoint at" in error and error.count("\n") == 1


@pytest.mark.parametrize("missing", ["results", "results/shapes_offline_overlap"])
def test_an_incomplete_demo_is_one_line(folder, missing, capsys):
    shutil.rmtree(folder / missing)
    assert demo_report.main([str(folder)]) == 2
    error = capsys.readouterr().err
    assert "run scripts/demo.sh" in error and error.count("\n") == 1


def test_pretraining_writes_the_body_that_the_backbone_reads(tmp_path):
    path = tmp_path / "new" / "tiny.pth"
    dataset = OtherShapes(num_train=16, num_val=8)
    said = pretrain(path, dataset, Training(epochs=1, lr=0.01), cache=str(tmp_path), logs=str(tmp_path))
    assert "pre-trained on other generated classes (ellipse, crescent" in said
    body = BACKBONES["tiny"](output_stride=8)
    body.load_pretrained(str(path))
    saved = read_weights(path)
    assert all(torch.equal(value, saved[name]) for name, value in body.state_dict().items())


def test_pretraining_as_the_demo_calls_it_says_how_far_it_is_and_what_it_wrote(tmp_path, monkeypatch, capsys):
    for name, value in {"NUM_IMAGES": 8, "EPOCHS": 1, "BATCH_SIZE": 4}.items():
        monkeypatch.setattr(pretrain_shapes, name, value)
    path = tmp_path / "tiny.pth"
    argv = ["--path", path, "--cache_dir", tmp_path / "cache", "--logdir", tmp_path / "logs"]
    pretrain_shapes.main([str(value) for value in argv])
    epoch, last = capsys.readouterr().out.splitlines()
    assert epoch.startswith("pretraining, epoch 1/1: ce ") and path.is_file()
    assert last.startswith(f"{path}: backbone pre-trained")
    assert list((tmp_path / "logs" / "pretrain_shapes").iterdir())


@pytest.mark.parametrize("script", sorted(ROOT.glob("scripts/*.sh")), ids=lambda path: path.name)
def test_scripts_have_no_syntax_error(script):
    assert subprocess.run(["bash", "-n", script], capture_output=True).returncode == 0


@pytest.mark.slow
def test_setup_installs_once_and_again_when_requirements_change(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHON", raising=False)  # which may have everything already
    (tmp_path / "scripts").mkdir()
    for name in ("setup.sh", "installed.py"):
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("")  # nothing to fetch

    def said():
        command = "set -euo pipefail; source scripts/setup.sh requirements.txt; command -v python"
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert Path(done.stdout.strip()) == tmp_path / ".venv" / "bin" / "python"
        return done.stderr

    first = said()
    assert "creating .venv" in first and "installing requirements.txt" in first
    assert said() == ""
    requirements.write_text("# another line\n")
    assert "creating" not in said()
    assert said() == ""


def set_up(folder: Path, requirements: str, **environment) -> subprocess.CompletedProcess:
    """Source setup.sh in `folder` for `requirements`, and say which Python comes first then."""
    (folder / "scripts").mkdir()
    for name in ("setup.sh", "installed.py"):
        shutil.copy(ROOT / "scripts" / name, folder / "scripts")
    (folder / "requirements.txt").write_text(requirements)
    command = "set -euo pipefail; source scripts/setup.sh requirements.txt; command -v python"
    return subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True,
                          env=os.environ | environment)  # fmt: skip


def test_setup_takes_a_python_that_has_everything_and_makes_nothing(tmp_path):
    done = set_up(tmp_path, "torch>=2.11\nPyYAML>=6.0\n", PYTHON=sys.executable)
    assert done.returncode == 0 and done.stderr == ""
    assert Path(done.stdout.strip()).parent == Path(sys.executable).parent
    assert not (tmp_path / ".venv").exists()


def test_setup_says_what_a_python_lacks_and_what_an_installation_takes(tmp_path):
    python = tmp_path / "python"  # can neither make environments nor install
    python.write_text(
        '#!/bin/sh\ncase "$1" in scripts/installed.py) echo torch is missing; exit 1;; -m) exit 1;; esac\n'
    )
    python.chmod(0o755)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(python)
    done = set_up(tmp_path, "torch>=2.11\n", PYTHON=str(python))
    assert done.returncode == 2
    for need in ("torch is missing", "5.8 GB on disk", "free here", "installation failed"):
        assert need in done.stderr


def test_requirements_are_compared_by_version_and_followed_into_other_files(tmp_path):
    (tmp_path / "base.txt").write_text("PyYAML>=999  # far away\nnumpy>=1\n")
    (tmp_path / "all.txt").write_text("-r base.txt\nno-such-package>=1\n\npytest\n")
    missing = installed.lacking(tmp_path / "all.txt")
    assert len(missing) == 2 and missing[1] == "no-such-package is missing"
    assert missing[0].startswith("PyYAML is ") and missing[0].endswith("needed is 999 or newer")
    assert installed.numbers("2.11.0+cpu") == installed.numbers("2.11") < installed.numbers("2.11.1")


def test_the_projects_own_requirements_are_understood():
    assert installed.lacking(ROOT / "requirements-dev.txt") == []
