"""`--val_share`: training images that no step trains on and that tests are made on, to choose values by."""

import json

import pytest

from dataset.increment import increment_data
from dataset.rules import held_out
from dataset.voc import VOC
from tasks import Step
from tests.dataset_trees import write_voc

TRAIN = {f"{letter}{number}": [0, label, 255] for label, letter in enumerate("abc", 1) for number in range(4)}
VAL = {"u": [0, 1], "v": [2, 3]}
STEP = Step("voc", "1-1", 0, ((0, 1), (2,), (3,)))


@pytest.fixture
def data(tmp_path):
    """Step 0 of three, 12 training images, a class each; a third of them held out."""
    voc = VOC(write_voc(tmp_path / "VOC2012", TRAIN | {"both": [0, 1, 3]}, VAL))
    return increment_data(voc, STEP, cache_dir=tmp_path / "cache", val_share=1 / 3)


def ids(data, split: str) -> set[str]:
    return {sample.id for sample in data.samples(split)}


def test_no_step_trains_on_what_tests_are_made_on_and_no_test_image_is_looked_at(data):
    plain = increment_data(data.dataset, STEP, cache_dir=data.cache_dir)
    samples = data.dataset.samples("train")
    held = {sample.id for sample, out in zip(samples, data.held_out, strict=True) if out}
    assert len(held) == 4 and data.test_images.startswith("4 (")
    so_far = set()
    for index in range(3):
        step = data.of(index)
        assert ids(step, "train") == ids(plain.of(index), "train") - held
        so_far |= ids(plain.of(index), "train") & held
        assert ids(step, "test") == so_far == set(step.test.ids)
    assert not so_far & ids(plain.of(2), "test")
    assert data.content("train") != plain.content("train") and data.test_images != plain.test_images


def test_held_out_images_are_labelled_as_in_a_test_with_all_classes_seen(data):
    last = data.of(2)
    labels = {int(label) for position in range(len(last.test)) for label in last.test[position][1].unique()}
    assert {3} < labels or {1, 2} <= labels
    assert (last.table("test")[[0, 1, 2, 3]] == [0, 1, 2, 3]).all()


def test_the_split_is_that_of_the_ids_whatever_their_order():
    names = [f"image{number}" for number in range(50)]
    chosen = {name for name, out in zip(names, held_out(names, 0.2), strict=True) if out}
    turned = {name for name, out in zip(names[::-1], held_out(names[::-1], 0.2), strict=True) if out}
    assert chosen == turned and len(chosen) == 10
    assert held_out(names, 0.001).sum() == 1 and held_out(names, 0.0).sum() == 0


def test_a_run_knows_its_share_and_no_other_run_continues_it(cli, tmp_path):
    words = ["--step", "0", "--val_share", "0.25"]
    status, out, err = cli(*words)
    assert status == 0, err
    assert "held-out training images (25 %), crop 32 view" in out
    result = json.loads((tmp_path / "results/small_4-1_overlap/FT_tiny_val0.25/step_0.json").read_text())
    assert result["test"]["view"]["val_share"] == 0.25 and result["test"]["images"].startswith("10 (")
    path = tmp_path / "checkpoints/small_4-1_overlap/FT_tiny_val0.25/step_0.pt"
    status, _, err = cli("--step", "1", "--step_ckpt", path)
    assert status == 2 and "val_share 0.25 there, 0.0 here" in err
    assert cli("--step", "1", "--val_share", "0.5", "--step_ckpt", path)[0] == 2
    status, out, err = cli("--test", "--ckpt", path, "--val_share", "0")
    assert status == 0, err
    assert "held-out" not in out
    (file,) = (tmp_path / "results/small_4-1_overlap/FT_tiny").glob("step_0_test_net*.json")
    assert json.loads(file.read_text())["test"]["images"].startswith("12 (")


@pytest.mark.parametrize("share", ["-0.1", "1", "1.5"])
def test_a_share_that_leaves_nothing_is_refused(cli, share):
    status, _, err = cli(f"--val_share={share}")
    assert status == 2 and "--val_share is a share" in err
