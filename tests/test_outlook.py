"""All steps are looked at before the first one trains."""

import pytest

from tests.dataset_trees import write_bands


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """`photos(train, val)`: YAML of classes a, b, c; each image shows the classes that its string names."""
    monkeypatch.chdir(tmp_path)

    def make(train: list[str], val: list[str]):
        for split, shows in {"train": train, "val": val}.items():
            write_bands(tmp_path / split, shows)
        (tmp_path / "d.yaml").write_text(
            "classes: [background, a, b, c]\n"
            "train: {images: train/images, masks: train/masks}\n"
            "val: {images: val/images, masks: val/masks}\n"
        )
        return ["--dataset", tmp_path / "d.yaml", "--task", "1-1-1"]

    return make


def trained(tmp_path) -> list[str]:
    """Names of the checkpoints that a run has left."""
    return sorted(path.name for path in tmp_path.glob("checkpoints/*/*/step_*.pt"))


def test_a_class_without_an_image_is_refused_before_step_0(cli, photos, tmp_path):
    words = photos(["a"] * 6 + ["b"] * 4, ["abc"] * 3)
    status, _, err = cli(*words)
    assert status == 2 and "step 2 (c)" in err and "no training image" in err and not trained(tmp_path)
    assert cli(*words, "--task", "1-2")[0] == 0  # the cure


def test_a_step_with_fewer_images_than_a_batch_is_trained_on_what_it_has(cli, photos, tmp_path):
    status, out, err = cli(*photos(["a"] * 6 + ["b"] * 3 + ["c"], ["abc"] * 3))
    assert status == 0, err
    assert "step 1 (b) has 3 training images, so its batches have 3 instead of 4" in out
    assert "step 2 (c) has 1 training images, so its batches have 1 instead of 4" in out
    assert trained(tmp_path) == ["step_0.pt", "step_1.pt", "step_2.pt"]


def test_fewer_images_than_the_accumulated_batches_are_refused_with_a_cure_that_works(cli, photos, tmp_path):
    words = photos(["a"] * 6 + ["b"] * 3 + ["c"] * 5, ["abc"] * 3)
    status, _, err = cli(*words, "--accumulate", "4")
    assert status == 2 and "step 1 (b) has 3 training images" in err and "give --accumulate 1" in err
    assert not trained(tmp_path)
    assert cli(*words, "--accumulate", "1")[0] == 0


def test_a_class_without_a_pixel_inside_a_step_of_two_is_said(cli, photos):
    status, out, err = cli(*photos(["a"] * 6 + ["b"] * 5, ["abc"] * 3), "--task", "1-2")
    assert status == 0, err
    assert "step 1 (b, c): its 5 training images have no pixel of c, which cannot be learned" in out


def test_a_test_without_a_class_of_the_step_is_said_and_breaks_no_table(cli, photos):
    status, out, err = cli(*photos(["a"] * 6 + ["b"] * 5 + ["c"] * 4, ["b", "bc"]))
    assert status == 0, err
    assert "step 0: no test image shows a class that it knows, so its scores are empty" in out
    assert [line.split()[2] for line in out.splitlines() if line.split()[:2] == ["0", "2"]] == ["-"]


def test_the_number_that_a_batch_that_does_not_divide_is_told_divides(cli, photos):
    words = photos(["a"] * 6 + ["b"] * 5 + ["c"] * 4, ["abc"] * 3)
    status, _, err = cli(*words, "--batch_size", "5", "--accumulate", "2")
    assert status == 2 and "give --batch_size 4" in err
    assert cli(*words, "--batch_size", "4", "--accumulate", "2")[0] == 0


def test_ordinary_data_give_no_note(cli):
    status, out, err = cli("--step", "0")
    assert status == 0 and "note:" not in out, err
