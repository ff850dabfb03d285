"""What a run says in a log file, and what it leaves for TensorBoard, read back from its files."""

import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboardX import SummaryWriter

import increments
from dataset import build_dataset
from dataset.increment import increment_data
from experiment import heartbeat as heartbeat_module
from experiment import pace
from experiment.events import all_events, read_events
from experiment.heartbeat import heartbeat
from experiment.log import RunLog
from experiment.log_pictures import some_images
from experiment.pace import Pace, duration
from tasks import make_step
from utils.pictures.confusion import by_row, confusion_picture


def events(folder: Path) -> list:
    """(tag, step, value or RGB picture) of everything in the event files of `folder`, in order."""
    return [
        (tag, step, np.asarray(Image.open(io.BytesIO(value))) if isinstance(value, bytes) else value)
        for tag, step, value in read_events(folder)
    ]


@pytest.fixture
def log(tmp_path):
    """The log of a step of two epochs of two batches, with another step of eight batches ahead."""
    log = RunLog(tmp_path, "FT 4-1 step 0", ahead=8)
    yield log
    log.close()


def train(log, *, start=0, epochs=2):
    """What `fit` tells a log about two batches per epoch, from batch `start` of the step on."""
    for epoch in range(start // 2, epochs):
        log.epoch(epoch, epochs, 2, start % 2 if epoch == start // 2 else 0)
        for batch in range(start % 2 if epoch == start // 2 else 0, 2):
            log.losses(2 * epoch + batch, {"ce": 1.0 - 0.1 * (2 * epoch + batch), "pod": 0.5}, 0.01)
            log.advance(4)
        log.end_epoch(epoch, {"ce": 1.0, "pod": 0.5})


# -- lines without a terminal --------------------------------------------------------------------------------
def test_without_a_terminal_every_epoch_is_a_line_with_losses_rate_time_left_and_memory(log, capsys):
    train(log)
    first, last = capsys.readouterr().out.splitlines()
    for need in ("FT 4-1 step 0, epoch 1/2: ce 1, pod 0.5, lr 0.01", "images/s", "left", "of the call", "MB"):
        assert need in first
    assert "epoch 2/2" in last and " 0 s left" in last


def test_an_epoch_longer_than_a_minute_says_where_it_is(log, capsys):
    log.epoch(0, 1, 100, 0)
    log.losses(0, {"ce": 2.0}, 0.01)
    log.advance(4)
    assert capsys.readouterr().out == ""
    log.spoke -= 61
    log.advance(4)
    assert "epoch 1/1, batch 2 of 100: ce 2" in capsys.readouterr().out
    log.advance(4)
    assert capsys.readouterr().out == ""


def test_a_test_longer_than_a_minute_says_where_it_is(log, capsys):
    seen = []
    for batch in log.evaluation(["a", "b", "c"]):
        seen.append(batch)
        log.spoke -= 61 * (batch == "a")
    assert seen == ["a", "b", "c"]
    assert capsys.readouterr().out.startswith("FT 4-1 step 0, test: batch 1 of 3, ")


def test_on_a_terminal_the_bar_says_it_and_no_line_does(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    log = RunLog(tmp_path, "FT 4-1 step 0")
    train(log)
    log.close()
    captured = capsys.readouterr()
    assert captured.out == "" and "ce 0.7, pod 0.5" in captured.err


def test_time_left_is_what_the_pace_so_far_says(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(pace.time, "perf_counter", lambda: clock[0])
    one = Pace(ahead=10)
    one.epoch(total=8, at=4)  # a call that continues: its pace is its own
    for _ in range(2):
        clock[0] += 3
        one.advance(5)
    assert one.left() == (6.0, 36.0) and one.images_per_second == pytest.approx(10 / 6)


@pytest.mark.parametrize(("seconds", "words"), [(8.4, "8 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")])
def test_durations_are_short(seconds, words):
    assert duration(seconds) == words


def test_work_without_batches_says_every_minute_that_it_goes_on(monkeypatch, capsys):
    with heartbeat("FT 4-1 step 1, preparations"):
        pass
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(heartbeat_module, "INTERVAL", 0.02)
    said, line = "", "FT 4-1 step 1, preparations: at work for 0 s\n"
    with heartbeat("FT 4-1 step 1, preparations"):
        while line not in said:
            said += capsys.readouterr().out
    with pytest.raises(ValueError), heartbeat("work"):
        raise ValueError


# -- TensorBoard ---------------------------------------------------------------------------------------------
def test_a_log_without_values_leaves_no_file(log, tmp_path):
    log.epoch(0, 1, 2, 0)
    log.close()
    assert not list(tmp_path.glob("events*"))


def test_what_a_killed_writer_left_empty_goes_and_what_has_values_stays(log, tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for pid, suffix in ((gone.pid, 1), (os.getppid(), 2)):
        SummaryWriter(str(tmp_path), filename_suffix=f".{pid}.{suffix}").close()
    full = SummaryWriter(str(tmp_path), filename_suffix=f".{gone.pid}.3")
    full.add_scalar("loss/ce", 1.0, 0)
    full.close()
    train(log)
    log.close()
    left = {path.suffix for path in tmp_path.glob("events*")}
    assert ".1" not in left and {".2", ".3"} < left  # 2: its writer lives


def test_a_step_that_goes_on_hides_what_comes_again(log, tmp_path):
    train(log, start=3)
    log.close()
    (file,) = tmp_path.glob("events*")
    assert [event.step for event in all_events(file) if event.HasField("session_log")] == [3]
    assert [(tag, step) for tag, step, _ in events(tmp_path) if tag == "loss/ce"] == [("loss/ce", 3)]


def test_an_event_file_that_breaks_off_is_read_as_far_as_it_goes(log, tmp_path):
    train(log)
    log.close()
    (file,) = tmp_path.glob("events*")
    whole = events(tmp_path)
    file.write_bytes(file.read_bytes()[:-5])
    assert events(tmp_path) == whole[:-1]


def test_losses_rate_and_learning_rate_are_logged_by_name(tmp_path):
    log = RunLog(tmp_path, "title")
    log.epoch(0, 1, 2, 0)
    log.advance(4)
    log.losses(0, {"ce": torch.tensor(2.0), "pod": torch.tensor(0.5)}, lr=0.01)
    log.end_epoch(0, {"ce": 2.0, "pod": 0.5})
    log.close()
    values = {(tag, step): value for tag, step, value in events(tmp_path)}
    assert values["loss/ce", 0] == 2.0 and values["loss/pod", 0] == 0.5
    assert values["lr", 0] == pytest.approx(0.01) and values["epoch_loss/pod", 0] == 0.5
    assert values["images_per_second", 0] > 0


@pytest.mark.parametrize("where", ["fit", "evaluate"])
def test_a_step_that_fails_leaves_no_thread_that_writes_for_tensorboard(cli, monkeypatch, where):
    """At the end of a process that waited for a queue, and spoilt the last words of an interrupted run."""

    def fails(*_, **__):
        raise ValueError("as things are")

    monkeypatch.setattr(increments, where, fails)
    before = threading.enumerate()
    status, _, errors = cli("--method", "FT", "--step", "0", "--epochs", "1")
    assert status == 2 and "as things are" in errors
    assert [thread for thread in threading.enumerate() if thread not in before] == []


@pytest.mark.slow
def test_each_step_of_a_run_has_a_folder_with_its_numbers_and_pictures(cli):
    status, _, errors = cli("--method", "DFT_STAR", "--step", "0", "1")
    assert status == 0, errors
    folders = sorted(path.parent for path in Path("logs").rglob("events*"))
    assert [folder.name for folder in dict.fromkeys(folders)] == ["step_0", "step_1"]
    for step, folder in enumerate(dict.fromkeys(folders)):
        found = events(folder)
        tags = {tag for tag, _, _ in found}
        assert {"loss/ce", "lr", "test/miou_all", "test_iou/disc", "test/confusion", "test/samples"} <= tags
        assert ("test_iou/plus" in tags) == (step == 1)
        tested = {tag: (at, value) for tag, at, value in found if tag.startswith("test")}
        assert {at for at, _ in tested.values()} == {step}  # so that steps are one curve over the run
        picture = tested["test/samples"][1]
        assert picture.ndim == 3 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 20


def test_sample_images_are_nearly_the_same_ones_at_every_step(tmp_path):
    dataset = build_dataset("shapes")
    data = increment_data(dataset, make_step(dataset, "4-1"), crop_size=32, cache_dir=tmp_path)
    every = [data.of(step).test.ids for step in range(3)]
    ids = [{names[i] for i in some_images(names, range(len(names)), 8)} for names in every]
    assert all(len(one) == 8 for one in ids) and len(ids[0] & ids[2]) >= 4


def test_confusion_picture_has_true_classes_in_rows_and_predictions_in_columns():
    shares = by_row([[8, 2, 0], [0, 0, 0], [0, 0, 5]])
    assert shares.tolist() == [[0.8, 0.2, 0], [0, 0, 0], [0, 0, 1]]
    names = ["background", "disc", "plus"]
    picture = confusion_picture(np.eye(3)[[1, 0, 2]], names, names)
    cells = picture[-94:-4, -94:-4].astype(int)  # 30 pixels each
    bright = [[cells[30 * y + 3, 30 * x + 3].sum() for x in range(3)] for y in range(3)]
    assert np.array_equal(np.array(bright) > 400, np.eye(3)[[1, 0, 2]] > 0)


@pytest.mark.parametrize("classes", [2, 21, 61, 151])
def test_confusion_picture_of_any_number_of_classes_fits_a_screen(classes):
    names = [f"class {number}" for number in range(classes)]
    picture = confusion_picture(np.eye(classes), names, names)
    assert picture.dtype == np.uint8 and max(picture.shape) < 800
