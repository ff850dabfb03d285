"""Runs from Python: what the command line does, with results for text and exceptions for its last line."""

from concurrent.futures import ThreadPoolExecutor

import pytest

import run
from argparser import parse_values
from config.parser import command_line
from experiment import checkpoint
from tests.conftest import SMALL

VALUES = {flag.removeprefix("--"): value for flag, value in zip(SMALL[::2], SMALL[1::2], strict=True)}


@pytest.fixture
def values(small_data, here) -> dict:
    """The small task, in an empty folder."""
    return {"dataset": small_data, "task": "4-1", "method": "MiB", **VALUES}


def test_a_run_from_python_is_that_of_the_command_line_and_returns_the_tests_of_its_steps(cli, values):
    # In a thread, as notebooks and servers have them: signals belong to the main one.
    with ThreadPoolExecutor(1) as other:
        base, later = other.submit(run.run_experiment, **values, step=range(2), lr=[0.05]).result()
    assert [base.step, later.step] == [0, 1] and later.method == "MiB" and later.task == "4-1"
    assert base.miou_new is base.forgetting is None and 0 < base.miou == base.miou_old < 1
    assert len(later.iou) == len(base.iou) + 1 and later.scores["miou_all"] == later.miou
    assert later.file.is_file() and later.cost["trainable_parameters"] > 0
    assert checkpoint.load(later.checkpoint)["config"]["lr"] == [0.05]

    written = later.checkpoint.stat().st_mtime_ns
    status, _, err = cli("--method", "MiB", "--lr", "0.05", "--step", "1")
    assert status == 0 and later.checkpoint.stat().st_mtime_ns == written, f"it found its own run, {err}"
    assert run.run_experiment(**values, step=1, lr=0.05) == [later]
    (tested,) = run.run_experiment(ckpt=base.checkpoint, test=True)
    assert tested == base


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"metod": "FT"}, ["--metod", "--method"]),
        ({"method": "mbi"}, ["mbi", "MiB"]),
        ({"loss_pod": 1.0}, []),
        ({"epochs": "many"}, ["--epochs", "many"]),
        ({"data_root": None}, ["data_root cannot be None"]),
        ({"task": "9-9"}, []),
    ],
)
def test_a_mistake_is_the_exception_with_the_line_of_the_command_line(cli, values, wrong, words):
    with pytest.raises(ValueError) as error:
        run.run_experiment(**values | wrong)
    assert all(word in str(error.value) for word in words)
    if None not in wrong.values():
        start = [word for pair in (values | wrong).items() for word in command_line(dict([pair]))]
        status, _, err = cli(*start, defaults=False)
        assert status == 2 and err == f"run.py: error: {' '.join(str(error.value).split())}\n"


def test_a_switch_that_is_off_stays_off_or_says_where_it_is_on(tmp_path):
    assert command_line({"no_share": False, "test": True, "sgd": False, "name": "-x"}) == [
        "--test", "--no_sgd", "--name=-x",
    ]  # fmt: skip
    (tmp_path / "my.yaml").write_text("no_share: true\n")
    assert parse_values({"no_share": False}).no_share is False
    with pytest.raises(ValueError, match="help is for the command line"):
        parse_values({"help": True})
    with pytest.raises(ValueError, match="no_share is on by file .*my.yaml"):
        parse_values({"no_share": False, "config": tmp_path / "my.yaml"})
