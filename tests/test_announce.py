"""What a run says before it works: what nobody chose, what a step begins with, how much is ahead."""

import pytest

import argparser
from config import announce, build
from metrics.cost import Clock
from tasks import make_step
from tests.conftest import SMALL
from utils import cpu, gpu


def said(*words):
    return announce.assumed(argparser.parse(list(words)))


def test_what_nobody_chose_is_said_and_what_somebody_chose_is_not():
    first, weights = said()
    assert first.startswith("nobody chose, so assumed: method FT, task 4-1 (") and "at random" in weights
    assert said("--method", "FT", "--task", "4-1") == [weights]


def test_own_data_say_all_that_they_assume_and_their_own_task(small_data):
    own = small_data.with_name("tasks.yaml")
    own.write_text(small_data.read_text() + "tasks: [2-1]\n")
    line, *_ = said("--dataset", str(own), "--batch_size", "4")
    for need in ("method FT", "task 2-1", "backbone tiny", "epochs 30", "lr 0.01 0.001", "crop_size 512"):
        assert need in line
    assert "batch_size" not in line


def test_random_weights_on_real_data_are_a_warning_with_the_cure_unless_they_are_meant(small_data):
    words = ["--dataset", str(small_data), "--task", "4-1"]
    (warning,) = [line for line in said(*words) if line.startswith("warning")]
    assert "random weights" in warning and "--no_pretrained" in warning
    assert not any("warning" in line for line in said(*words, "--no_pretrained"))
    assert not any("warning" in line for line in said())


@pytest.mark.parametrize(
    ("cpuinfo", "warned"),
    [("flags\t\t: fpu avx512f avx512_bf16\n", False), ("processor : 0\nflags : fpu avx2 avx512f\n", True),
     ("Features : fp asimd bf16\n", False), ("Features : fp asimd\n", True), ("", False), (None, False)],
)  # fmt: skip
def test_bf16_on_a_processor_without_units_for_it_is_a_warning(cpuinfo, warned, tmp_path, monkeypatch):
    monkeypatch.setattr(cpu, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(gpu, "found", lambda: False)
    if cpuinfo is not None:
        cpu.CPUINFO.write_text(cpuinfo)
    lines = [line for line in said("--precision", "bf16") if "bf16" in line]
    assert len(lines) == warned and all("--precision fp32" in line for line in lines)
    assert not any("bf16" in line for line in said("--precision", "fp32"))
    monkeypatch.setattr(gpu, "found", lambda: True)
    assert not any("bf16" in line for line in said("--precision", "bf16"))


@pytest.fixture
def increments(small_data, here):
    """The configuration of the small task, its files, and the data of its steps."""
    words = ["--dataset", str(small_data), "--task", "4-1", *SMALL, "--epochs", "1", "2", "3"]
    config = argparser.parse(words)
    dataset = build.run_dataset(config)
    first = make_step(dataset, config.task)
    return config, build.run_files(config), [build.step_data(config, first.at(k), dataset) for k in range(3)]


def test_batches_ahead_are_those_of_later_steps_that_are_not_finished(increments):
    config, files, data = increments
    sizes = [len(one.rows("train")) // 4 for one in data]
    assert announce.batches_ahead(config, [0, 1, 2], data[0], files) == 2 * sizes[1] + 3 * sizes[2]
    assert announce.batches_ahead(config, [0, 2], data[0], files) == 3 * sizes[2]
    assert announce.batches_ahead(config, [0, 1, 2], data[2], files) == 0
    files.checkpoint(2).parent.mkdir(parents=True)
    files.checkpoint(2).touch()
    assert announce.batches_ahead(config, [0, 1, 2], data[0], files) == 2 * sizes[1]


def test_a_step_says_what_it_teaches_and_the_first_whose_it_is(increments):
    config, _, data = increments
    clock = Clock()
    clock.load_state_dict({"seconds": 5.0, "calls": 1})
    first = announce.ready(config, data[0], images=7, clock=clock)
    assert first.startswith("step 0 of 2 teaches disc, square, triangle, ring: 7 images, ready after 0.")
    assert "call 2 of this step\nstep 0 is shared with methods that train it alike" in first
    later = announce.ready(config, data[1], images=7, clock=Clock())
    assert later.startswith("step 1 of 2 teaches plus: 7 images") and "\n" not in later


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([0], "step 0, "),
        ([0, 1], "step 1, without step 0, "),
        ([0, 1, 2, 3], "steps 1 to 3, without step 0, "),
        ([2, 3], "steps 2 to 3, "),
    ],
)
def test_the_published_last_line_is_preceded_by_what_it_counts(steps, words):
    line = announce.seconds_in_words(steps)
    assert line == f"The seconds below are of this call: {words}training and tests."
