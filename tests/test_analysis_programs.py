"""visualize, predict, probe and drift as a user runs them, on networks with random weights."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import argparser
from analysis import drift, predict, probe, visualize
from analysis.network import find_runs, load_step
from dataset import build_dataset
from methods import METHODS
from tasks import make_step
from utils import checkpoint, recipes

WORDS = [
    "--task",
    "4-1",
    "--crop_size",
    "32",
    "--backbone",
    "tiny",
    "--output_stride",
    "8",
    "--recipe",
    "none",
]


@pytest.fixture(scope="module")
def runs(small_data, tmp_path_factory):
    """Folders of checkpoints of FT and DFT*, as run.py writes them."""
    root, folders, content = tmp_path_factory.mktemp("runs"), {}, {}
    for name in ("FT", "DFT*"):
        config = argparser.resolve(
            ["--method", name, "--dataset", str(small_data), "--num_workers", "0", *WORDS], {}
        )
        torch.manual_seed(0)
        for index in range(3):
            step = make_step(build_dataset(config.dataset), config.task, index)
            method = METHODS[name](step, **config.hyper)
            net = method.build_model(step, argparser.network_parts(config, pretrained=False))
            if index and name == "DFT*":  # all of whose networks have the same shape
                net.load_state_dict(content["net"])
            content = {"method": name, "dataset": step.dataset, "task": step.task, "step": index}
            content |= {"groups": [list(group) for group in step.groups], "config": argparser.flat(config)}
            content |= {"net": net.state_dict(), "method_state": {}}
            folders[name] = root / argparser.run_files(config).run
            checkpoint.save(content, folders[name] / f"step_{index}.pt")
    return folders


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def picture(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


# -- loading ---------------------------------------------------------------------------------------
def test_a_checkpoint_alone_gives_the_network_that_was_saved(runs, here):
    trained = load_step(runs["FT"] / "step_1.pt")
    saved = checkpoint.load(runs["FT"] / "step_1.pt")["net"]
    assert all(torch.equal(value, saved[key]) for key, value in trained.method.net.state_dict().items())
    assert trained.step.index == 1 and not trained.method.net.training
    predicted, unsure = trained.predict(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    assert predicted.shape == unsure.shape == (1, 32, 32) and predicted.max() < trained.step.num_seen


def test_runs_are_told_apart_by_method_or_else_by_folder(runs, here, tmp_path):
    assert [run.name for run in find_runs([str(folder) for folder in runs.values()])] == ["FT", "DFT*"]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "step_0.pt").write_bytes((runs["FT"] / "step_0.pt").read_bytes())
    found = find_runs(["a", "b/step_0.pt"])
    assert [run.name for run in found] == ["a", "b"]


def test_single_checkpoints_of_a_folder_are_one_run_in_the_order_of_steps(runs):
    paths = [str(runs["FT"] / f"step_{index}.pt") for index in (2, 0)]
    assert [path.stem for path in find_runs(paths)[0].paths] == ["step_0", "step_2"]


@pytest.mark.parametrize("program", [visualize, probe, drift])
@pytest.mark.parametrize("word, says", [("nowhere", "there is no nowhere"), (".", "holds no step_<k>.pt")])
def test_a_wrong_path_is_answered_in_one_line(program, word, says, here, capsys):
    assert program.cli([word]) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1


def test_runs_of_different_tasks_are_not_compared(runs, here, capsys, tmp_path):
    content = checkpoint.load(runs["FT"] / "step_0.pt")
    content["groups"] = content["groups"][::-1]
    checkpoint.save(content, tmp_path / "other" / "step_0.pt")
    assert drift.cli([str(runs["FT"]), "other"]) == 2
    assert "other classes" in capsys.readouterr().err


# -- the programs ----------------------------------------------------------------------------------
def test_visualize_draws_chosen_images_of_all_steps(runs, here):
    assert (
        visualize.cli([*map(str, runs.values()), "--num_images", "2", "--candidates", "6", "--side", "64"])
        == 0
    )
    shapes = {path.stem: picture(path).shape for path in (here / "pictures").iterdir()}
    assert shapes.keys() == {"predictions", "errors", "uncertainty"}
    assert all(shape[0] > 4 * 64 and shape[1] > 5 * 64 for shape in shapes.values())


def test_visualize_shows_the_images_one_names_and_photos(runs, here, capsys):
    Image.new("RGB", (50, 40), (200, 30, 30)).save("photo.png")
    checkpoint_path = str(runs["FT"] / "step_0.pt")
    assert visualize.cli([checkpoint_path, "--images", "photo.png", "--side", "64"]) == 0
    assert {path.stem for path in (here / "pictures").iterdir()} == {"predictions", "uncertainty"}
    assert visualize.cli([checkpoint_path, "--images", "no-such-image"]) == 2
    assert "neither a picture file nor the id" in capsys.readouterr().err


def test_predict_writes_mask_overlay_and_shares_at_the_photos_size(runs, here, capsys):
    Image.new("RGB", (50, 40), (200, 30, 30)).save("photo.jpg")
    assert predict.cli([str(runs["FT"] / "step_2.pt"), "photo.jpg"]) == 0
    assert "% of photo" in capsys.readouterr().out
    with Image.open(here / "predictions" / "photo_mask.png") as mask:
        assert mask.mode == "P" and mask.size == (50, 40)
        assert np.asarray(mask).max() < 7
    shares = rows_of(here / "predictions" / "photo_shares.csv")
    assert sum(float(row["share"]) for row in shares) == pytest.approx(1)
    assert (here / "predictions" / "photo_overlay.png").is_file()


def test_predict_refuses_two_photos_of_one_name(runs, here, capsys):
    assert predict.cli([str(runs["FT"] / "step_2.pt"), "a/x.jpg", "b/x.jpg"]) == 2
    assert "two photos are called x" in capsys.readouterr().err


@pytest.mark.parametrize("views", [[], ["--random_views"]])
def test_probing_compares_every_step_with_a_fresh_classifier(runs, here, capsys, views):
    words = [*map(str, runs.values()), "--epochs", "1", "--num_images", "16", *views]
    assert probe.cli(words) == 0
    rows = rows_of(here / "probing" / "probe.csv")
    assert [(row["run"], row["step"]) for row in rows] == [
        (name, str(k)) for name in ("FT", "DFT*") for k in range(3)
    ]
    assert (
        len({row["probed"] for row in rows[3:]}) == 1
    )  # DFT* keeps body and head, so the probe says the same
    assert ("published protocol" in capsys.readouterr().out) == bool(views)
    assert picture(here / "probing" / "probe.png").std() > 0


def test_probing_the_same_network_again_gives_the_same_numbers(runs, here):
    words = [str(runs["FT"] / "step_1.pt"), "--epochs", "1", "--num_images", "16"]
    assert probe.cli([*words, "--out", "one"]) == probe.cli([*words, "--out", "two"]) == 0
    assert (here / "one" / "probe.csv").read_text() == (here / "two" / "probe.csv").read_text()


def test_drift_is_none_where_everything_is_frozen(runs, here):
    words = [str(folder / f"step_{index}.pt") for folder in runs.values() for index in (0, 2)]
    assert drift.cli([*words, "--num_images", "16"]) == 0
    rows = rows_of(here / "drift" / "drift.csv")
    frozen = [row for row in rows if row["run"] == "DFT*"]
    assert len(frozen) == 5 + 7
    for row in frozen:
        assert float(row["row"]) == pytest.approx(1)
        assert row["feature"] == "" or float(row["feature"]) == pytest.approx(
            1
        )  # "": no pixel in these images
    assert any(float(row["row"]) < 0.9 for row in rows if row["run"] == "FT")
    names = {path.name for path in (here / "drift").iterdir()}
    assert names == {
        "drift.csv",
        "drift.npz",
        "summary.png",
        "FT_cosines.png",
        "FT_classes.png",
        "DFT_STAR_cosines.png",
        "DFT_STAR_classes.png",
    }
    with np.load(here / "drift" / "drift.npz") as arrays:
        assert arrays["FT/step_0/cosines"].shape == (7, 7)
        assert not arrays["DFT*/step_0/rows"][5:].any()  # rows of classes to come do not count yet


# -- what else a run stored ------------------------------------------------------------------------
def test_analyses_need_no_recipes(runs, here, monkeypatch):
    def broken(*args):
        raise ValueError("recipes.yaml cannot be read")

    monkeypatch.setattr(recipes, "read_recipes", broken)
    monkeypatch.setattr(argparser, "read_recipes", broken)
    assert load_step(runs["FT"] / "step_1.pt").step.index == 1


def test_images_that_training_skipped_are_skipped_again(runs, here, small_data, tmp_path):
    content = checkpoint.load(runs["FT"] / "step_0.pt")
    copied = shutil.copytree(small_data.parent, tmp_path / "data")
    content["config"] |= {"dataset": str(copied / small_data.name), "skip_bad_images": True}
    path = tmp_path / "skipping" / "step_0.pt"
    checkpoint.save(content, path)
    bad = build_dataset(content["config"]["dataset"]).samples("train")[0]
    Path(bad.mask).write_bytes(b"no picture")
    trained = load_step(path, cache_dir=str(tmp_path / "cache"))
    assert [one["id"] for one in trained.dataset.skipped] == [bad.id]
    assert load_step(path, data=False).dataset.skipped == ()  # who needs no images looks at none


@pytest.mark.parametrize("program", [visualize, probe, drift, predict])
def test_a_truncated_checkpoint_is_answered_in_one_line(program, runs, here, capsys):
    whole = (runs["FT"] / "step_0.pt").read_bytes()
    Path("step_0.pt").write_bytes(whole[: len(whole) // 2])
    assert program.cli(["step_0.pt", *["photo.png"] * (program is predict)]) == 2
    error = capsys.readouterr().err
    assert "step_0.pt is damaged" in error and error.count("\n") == 1
