"""Whoever follows the advice of an error message gets on: messages with a cure, and the cure, followed."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

import train
from experiment import checkpoint
from tests.test_resume import Killed, bomb


@dataclass
class Advice:
    """A mistake, what the one line about it must hold, and the command that this line leads to.

    `arrange(cli, folder, data)` makes the situation; what it returns replaces {0} in all words.
    """

    wrong: list[str]
    said: list[str]
    cure: list[str]
    arrange: Callable = field(default=lambda cli, folder, data: "")


def step_0(cli, folder: Path, data: Path) -> str:
    """A finished step 0."""
    assert cli("--step", "0")[0] == 0
    return str(folder / "checkpoints/small_4-1_overlap/FT_tiny/step_0.pt")


def damaged(cli, folder: Path, data: Path) -> str:
    """A finished step 0 whose file is cut off."""
    path = Path(step_0(cli, folder, data))
    path.write_bytes(path.read_bytes()[:1000])
    return str(path)


def foreign(cli, folder: Path, data: Path) -> str:
    """A checkpoint of another task."""
    assert cli("--step", "0", "--task", "3-1")[0] == 0
    return str(folder / "checkpoints/small_3-1_overlap/FT_tiny/step_0.pt")


def outdated(cli, folder: Path, data: Path) -> str:
    """Step 1 of a step 0 that has been trained again since."""
    assert cli("--step", "0", "1")[0] == 0
    assert cli("--step", "0", "--overwrite", "--lr", "0.02")[0] == 0
    return ""


def file_in_the_way(cli, folder: Path, data: Path) -> str:
    """A file where a folder should be."""
    (folder / "taken").write_text("")
    return str(folder / "taken")


def without_background(cli, folder: Path, data: Path) -> str:
    """The small data, whose first class is a class like any other."""
    shutil.copytree(data.parent, folder / "all")
    description = folder / "all/small.yaml"
    content = yaml.safe_load(description.read_text()) | {"background": False}
    description.write_text(yaml.safe_dump(content))
    return str(description)


def moved_data(cli, folder: Path, data: Path) -> str:
    """A description that names a folder which is not there; the folder that is."""
    content = yaml.safe_load(data.read_text()) | {"root": "nowhere"}
    (folder / "moved.yaml").write_text(yaml.safe_dump(content))
    return str(data.parent)


ADVICE = {
    "a checkpoint to test": Advice(["--ckpt", "{0}"], ["add --test"], ["--ckpt", "{0}", "--test"], step_0),
    "another system's flag": Advice(["--overlapped"], ["use --setting overlap"], ["--setting", "overlap"]),
    "another name of a flag": Advice(["--learning_rate", "0.01"], ["use --lr"], ["--lr", "0.01"]),
    "a misspelt method": Advice(["--method", "MiBB"], ["MiB"], ["--method", "MiB"]),
    "a misspelt setting": Advice(["--setting", "overlp"], ["overlap"], ["--setting", "overlap"]),
    "a step beyond the task": Advice(["--step", "7"], ["steps 0 to 2"], ["--step", "0-2"]),
    "a step in words": Advice(["--step", "first"], ["a range such as 1-5, or all"], ["--step", "0"]),
    "a step without the one before": Advice(["--step", "1"], ["run --step 0 first"], ["--step", "0", "1"]),
    "a damaged checkpoint": Advice(["--step", "0"], ["--overwrite"], ["--step", "0", "--overwrite"], damaged),
    "a checkpoint of another task": Advice(
        ["--step", "1", "--step_ckpt", "{0}"], ["other classes"], ["--task", "3-1", "--step", "1"], foreign
    ),
    "a step after one that has changed": Advice(
        ["--step", "1"], ["--overwrite 1"], ["--step", "1", "--overwrite", "1"], outdated
    ),
    "a batch that does not divide": Advice(
        ["--batch_size", "5", "--accumulate", "2"], ["--batch_size 4"],
        ["--batch_size", "4", "--accumulate", "2"],
    ),
    "a value too many": Advice(
        ["--lr", "1e-2", "1e-3", "1e-4", "1e-5"], ["leave out 1e-05"], ["--lr", "1e-2", "1e-3", "1e-4"]
    ),
    "a cache that cannot be written": Advice(
        ["--cache_dir", "{0}/cache"], ["--cache_dir"], ["--cache_dir", "free"], file_in_the_way
    ),
    "a method that needs background": Advice(
        ["--dataset", "{0}", "--method", "MiB"], ["needs a background class"],
        ["--dataset", "{0}", "--method", "LWF", "--task", "4-1"], without_background,
    ),
    "a backbone that a method cannot use": Advice(
        ["--method", "RCIL", "--backbone", "swin_b"], ["--backbone can be", "tiny"],
        ["--method", "RCIL", "--backbone", "tiny"],
    ),
    "a memory below zero": Advice(
        ["--method", "REPLAY", "--mem_size", "-1"], ["give 0"], ["--method", "REPLAY", "--mem_size", "0"]
    ),
    "data that have moved": Advice(
        ["--dataset", "moved.yaml"], ["--data_root"],
        ["--dataset", "moved.yaml", "--data_root", "{0}"], moved_data,
    ),
    "weights that are not there": Advice(
        ["--backbone", "resnet18", "--pretrained_path", "none.pth"], ["--no_pretrained"],
        ["--backbone", "resnet18", "--no_pretrained", "--step", "0"],
    ),
    "another's hyper-parameter": Advice(
        ["--pod_factor", "1"], ["hyper-parameter of PLOP"],
        ["--method", "PLOP", "--pod_factor", "1", "--step", "0"],
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ADVICE)
def test_following_the_advice_of_a_message_helps(name, cli, tmp_path, small_data):
    advice = ADVICE[name]
    found = advice.arrange(cli, tmp_path, small_data)
    wrong, cure = ([word.replace("{0}", found) for word in words] for words in (advice.wrong, advice.cure))
    status, _, err = cli(*wrong)
    assert status == 2 and len(err.splitlines()) == 1, err
    assert all(part in err for part in advice.said), err
    status, _, err = cli(*cure)
    assert status == 0, err


def test_a_loss_that_is_not_finite_names_the_command_that_looks_at_it_again(cli, tmp_path):
    status, _, err = cli("--lr", "1e20", "--step", "0")
    assert status == 2 and "--replay_batch" in err
    file = err.split("--replay_batch ")[1].strip()
    status, out, err = cli("--lr", "1e20", "--step", "0", "--replay_batch", file)
    assert status == 0 and "ce" in out, err


def test_a_diverged_step_is_begun_again_without_the_steps_before_it(cli, tmp_path, monkeypatch):
    words = ["--step", "0", "1", "--ckpt_interval", "0", "--epochs", "1", "2"]
    assert cli("--step", "0", "--epochs", "1")[0] == 0
    path = tmp_path / "checkpoints/small_4-1_overlap/FT_tiny/step_0.pt"
    before = path.stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr(train, "optimizer_step", bomb(2, train.optimizer_step))
        with pytest.raises(Killed):
            cli(*words, "--lr", "0.01", "5")
    lower = [*words, "--lr", "0.01", "0.001"]
    status, _, err = cli(*lower)
    assert status == 2 and "lr 5.0 there, 0.001 here" in err and "--overwrite 1" in err
    status, _, err = cli(*lower, "--overwrite", "1")
    assert status == 0, err
    assert path.stat().st_mtime_ns == before
    assert checkpoint.load(path.with_name("step_1.pt"))["identity"]["lr"] == 0.001
