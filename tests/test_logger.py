"""What a run leaves for TensorBoard, read back from its files."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboardX.proto import event_pb2

from dataset import build_dataset
from dataset.increment import increment_data
from experiment.log import RunLog
from experiment.log_pictures import some_images
from tasks import make_step
from utils.pictures.confusion import by_row, confusion_picture


def events(folder: Path) -> list:
    """(tag, step, value or RGB picture) of everything in the event files of `folder`, in order."""
    found = []
    for path in sorted(folder.glob("events*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack("<Q", data[at : at + 8])
            event = event_pb2.Event.FromString(data[at + 12 : at + 12 + length])
            at += 12 + length + 4
            for value in event.summary.value:
                image = value.image.encoded_image_string
                shown = np.asarray(Image.open(io.BytesIO(image))) if image else value.simple_value
                found.append((value.tag, event.step, shown))
    return found


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
    ids = [{data.of(step).test.ids[i] for i in some_images(data.of(step).test, 8)} for step in range(3)]
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
