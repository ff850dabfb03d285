"""--skip_bad_images: found once, left out of every step, listed in the result."""

import json
import shutil

import pytest
from PIL import Image

from dataset import build_dataset
from dataset.increment import increment_data
from dataset.skip import skip_bad_images
from tasks import make_step


@pytest.fixture
def damaged(small_data, tmp_path):
    """A copy of the small data with three bad files; YAML file and ids of the bad images."""
    root = tmp_path / "copy"
    shutil.copytree(small_data.parent, root)
    images = sorted((root / "train/images").iterdir())
    images[3].write_bytes(images[3].read_bytes()[:200])
    Image.new("L", (36, 36), 77).save(root / "train/masks" / f"{images[5].stem}.png")
    tests = sorted((root / "val/images").iterdir())
    (root / "val/masks" / f"{tests[0].stem}.png").write_bytes(b"")
    return root / "small.yaml", {("train", images[3].stem), ("train", images[5].stem), ("val", tests[0].stem)}


def test_bad_images_are_left_out_of_every_split_and_step(damaged, tmp_path):
    path, bad = damaged
    dataset = build_dataset(str(path))
    skip_bad_images(dataset)
    assert {(entry["split"], entry["id"]) for entry in dataset.skipped} == bad
    assert all(entry["id"] in entry["reason"] for entry in dataset.skipped)
    for index in range(3):
        data = increment_data(dataset, make_step(dataset, "4-1", index), crop_size=16, cache_dir=tmp_path)
        used = {("train", id) for id in data.train.ids} | {("val", id) for id in data.test.ids}
        assert used and not used & bad
    with pytest.raises(ValueError, match="--index_dir counts in the published list"):
        increment_data(dataset, make_step(dataset, "4-1"), index_dir=tmp_path)


def test_good_data_lose_nothing(small_data):
    for name in (str(small_data), "shapes"):
        dataset = build_dataset(name)
        skip_bad_images(dataset)
        assert dataset.skipped == ()


def test_run_with_bad_images_lists_them_in_its_result(cli, damaged, tmp_path):
    path, bad = damaged
    argv = ("--dataset", path, "--task", "offline")
    status, _, err = cli(*argv)
    assert status == 2 and any(id in err for _, id in bad)
    status, _, err = cli(*argv, "--skip_bad_images")
    assert status == 0, err
    result = json.loads((tmp_path / "results/small_offline_overlap/FT_tiny/step_0.json").read_text())
    assert {(entry["split"], entry["id"]) for entry in result["skipped"]} == bad
    assert result["images"] == 11
