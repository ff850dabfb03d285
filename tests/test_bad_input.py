"""A mistake gets one line that names it and its cure, exit status 2, and damages nothing."""

import os
import shutil

import pytest
from PIL import Image

import argparser

MISTAKES = {
    "unknown method": (["--method", "MBI"], "did you mean MiB"),
    "unknown task": (["--task", "4-9"], "4-1"),
    "unknown flag": (["--overlapped"], "--setting overlap"),
    "misspelt flag": (["--epoch", "3"], "--epochs"),
    "flag of another method": (["--method", "FT", "--loss_kd", "3"], "is a hyper-parameter of"),
    "step that the task has not": (["--step", "7"], "steps 0 to 2"),
    "step that is no number": (["--step", "one"], "--step one"),
    "step without its previous checkpoint": (["--step", "1"], "--step 0"),
    "missing previous checkpoint": (["--step", "1", "--step_ckpt", "nowhere.pt"], "nowhere.pt"),
    "accumulation that leaves no step": (["--batch_size", "64", "--accumulate", "64"], "--accumulate"),
    "batch that does not divide": (["--batch_size", "5", "--accumulate", "2"], "does not divide"),
    "no epoch": (["--epochs", "0"], "--epochs must be at least 1"),
    "nothing but warm-up": (["--lr_warmup", "1"], "--lr_warmup"),
    "unknown backbone": (["--backbone", "resnet110"], "resnet101"),
    "weights that are not there": (["--backbone", "resnet50"], "--no_pretrained"),
    "unknown dataset": (["--dataset", "cocos"], "unknown dataset"),
    "dataset file that is not there": (["--dataset", "mine.yaml"], "mine.yaml"),
    "data that is not there": (["--dataset", "voc", "--task", "15-1", "--data_root", "nowhere"], "nowhere"),
    "ckpt without test": (["--ckpt", __file__], "--test"),
    "test of what is no checkpoint": (["--test", "--ckpt", __file__], "damaged or no checkpoint"),
    "test without a checkpoint": (["--test"], "no checkpoint"),
    "word that belongs to no flag": (["hello"], "hello"),
    "value after a switch": (["--method", "DFT*", "--pre_allocate", "false"], "--no_pre_allocate"),
    "value in a switch": (["--method", "DFT*", "--pre_allocate=no"], "--no_pre_allocate turns it off"),
    "value after a switch that is off": (["--no_share", "false"], "leave it out to turn it off"),
    "value of the wrong kind": (["--epochs", "many"], "--epochs"),
    "unknown recipe": (["--recipe", "voc/mib_15-1"], "or voc/mib_15-1-overlap?"),
    "rate that is no number": (["--lr", "0.1", "nan"], "--lr must be a number, 0 or more"),
    "rate below 0": (["--lr", "-1"], "--lr must be a number, 0 or more"),
    "decay below 0": (["--weight_decay", "-1"], "--weight_decay must be a number, 0 or more"),
    "workers below 0": (["--num_workers", "-1"], "--num_workers must be a number, 0 or more"),
    "seed that is too large": (["--seed", "9" * 20], "--seed must be a number, 0 or more"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_gets_one_line_and_status_2(cli, tmp_path, mistake):
    words, cure = MISTAKES[mistake]
    status, _, err = cli(*words)
    assert status == 2
    assert err.count("\n") == 1 and err.startswith("run.py: error: ")
    assert cure in err
    assert not list(tmp_path.rglob("*.pt"))


@pytest.mark.parametrize("no", ["--no-", "--no_"])
def test_both_spellings_of_what_is_off_are_understood(no):
    config = argparser.parse(["--method", "DFT*", f"{no}pre_allocate", f"{no}pretrained"])
    assert config.no_pretrained and not config.hyper["pre_allocate"] and config.hyper["freeze_backbone"]


def test_truncated_previous_checkpoint_is_named(cli, tmp_path):
    cli("--step", "0")
    path = tmp_path / "checkpoints/small_4-1_overlap/FT_tiny/step_0.pt"
    os.truncate(path, path.stat().st_size // 2)
    status, _, err = cli("--step", "1")
    assert status == 2 and "step_0.pt is damaged" in err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--task", "2-2"], "other classes"),
        (["--backbone", "resnet18", "--no_pretrained"], "backbone"),
        (["--method", "LWF-MC"], "cannot continue"),
        (["--protocol", "mib"], "protocol"),
        (["--setting", "disjoint"], "setting"),
        (["--step", "2"], "of step 0"),
    ],
)
def test_checkpoint_that_does_not_fit_is_refused_with_the_reason(cli, tmp_path, words, reason):
    cli("--step", "0")
    path = tmp_path / "checkpoints/small_4-1_overlap/FT_tiny/step_0.pt"
    before = path.read_bytes()
    status, _, err = cli("--step", "1", "--step_ckpt", path, *words)
    assert status == 2 and reason in err
    assert path.read_bytes() == before


def test_a_chain_is_not_continued_on_other_data(cli, tmp_path, small_data):
    copy = tmp_path / "copy"
    shutil.copytree(small_data.parent, copy)
    cli("--step", "0", "--dataset", copy / "small.yaml")
    for mask in sorted((copy / "train/masks").iterdir())[:1]:
        mask.unlink()
        (copy / "train/images" / f"{mask.stem}.jpg").unlink()
    status, _, err = cli("--step", "1", "--dataset", copy / "small.yaml")
    assert status == 2 and "images" in err and "--accept images" in err


def test_unwritable_folder_is_named(cli, tmp_path):
    (tmp_path / "file").write_text("in the way")
    status, _, err = cli("--step", "0", "--checkpoint", "file")
    assert status == 2 and "file" in err


@pytest.mark.parametrize("damage", ["truncated", "missing", "other size", "label"])
def test_bad_image_is_named(cli, tmp_path, small_data, damage):
    copy = tmp_path / "copy"
    shutil.copytree(small_data.parent, copy)
    image = sorted((copy / "train/images").iterdir())[3]
    mask = copy / "train/masks" / f"{image.stem}.png"
    if damage == "truncated":
        image.write_bytes(image.read_bytes()[:200])
        culprit = image.name
    elif damage == "missing":
        mask.unlink()
        culprit = image.stem
    elif damage == "other size":
        Image.new("L", (20, 20), 1).save(mask)
        culprit = mask.name
    else:
        Image.new("L", (36, 36), 77).save(mask)
        culprit = mask.name
    status, _, err = cli("--dataset", copy / "small.yaml", "--task", "offline")
    assert status == 2 and culprit in err, err


@pytest.mark.parametrize("name", ["../../up", "a/b", "a\\b", "/tmp/x", "a\nb"])
def test_a_name_that_leads_out_of_the_runs_folder_is_refused(cli, tmp_path, name):
    status, _, err = cli("--name", name, "--step", "0")
    assert status == 2 and "--name" in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())
