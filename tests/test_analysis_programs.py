"""visualize, predict, probe and drift as a user runs them, on networks with random weights."""

import copy
import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from analysis import drift, predict, probe, visualize
from analysis.features import all_classes
from analysis.trained import load_step
from train import evaluate


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def picture(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_visualize_draws_chosen_images_of_all_steps(runs, here):
    assert (
        visualize.cli([*map(str, runs.values()), "--num_images", "2", "--candidates", "6", "--side", "64"])
        == 0
    )
    shapes = {path.stem: picture(path).shape for path in (here / "pictures").iterdir()}
    assert shapes.keys() == {"predictions", "errors", "uncertainty"}
    assert all(shape[0] > 2 * 64 and shape[1] > 8 * 64 for shape in shapes.values())


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
        assert mask.mode == "L" and mask.size == (50, 40)  # as the masks of training
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


def test_a_probe_sees_the_networks_own_classifier_as_the_runs_test_does(runs, here):
    trained = load_step(runs["DFT*"] / "step_1.pt")

    class Quiet:
        evaluation = staticmethod(lambda loader: loader)

    fresh = probe.Probe(all_classes(trained).step, trained.method.net)
    own, other = probe.observe(trained, fresh, "")
    tested = evaluate(trained.method, trained.loader(trained.data.test), device=trained.device, log=Quiet)
    assert torch.equal(own, tested.counts) and own.shape == (6, 7) and other.shape == (7, 7)


def test_on_a_cpu_no_worker_is_started_that_would_take_the_networks_cores(runs):
    trained = replace(load_step(runs["FT"] / "step_0.pt"), num_workers=1)
    images = copy.copy(trained.data.test)
    images.samples = [*images.samples] * 50
    assert trained.loader(images).num_workers == 0
    assert replace(trained, device=torch.device("cuda")).loader(images).num_workers == 1


def test_probing_the_same_network_again_gives_the_same_numbers_with_features_in_a_file_too(runs, here):
    words = [str(runs["FT"] / "step_1.pt"), "--epochs", "1", "--num_images", "16"]
    assert probe.cli([*words, "--out", "one"]) == 0
    assert probe.cli([*words, "--out", "two", "--memory", "0"]) == 0
    assert (here / "one" / "probe.csv").read_text() == (here / "two" / "probe.csv").read_text()


@pytest.mark.slow
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
