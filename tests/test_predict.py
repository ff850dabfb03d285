"""predict with a checkpoint alone: elsewhere, in the values of the masks, many photos, large photos."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import argparser
from analysis import predict
from analysis.masks import mask_picture
from analysis.runs import last_step
from analysis.trained import load_step
from analysis.windows import look, spans
from config import build
from dataset import build_dataset
from dataset.card import data_card
from dataset.voc import VOC
from experiment import checkpoint
from methods import METHODS
from tasks import make_step
from tests.dataset_trees import write_folder, write_image
from tests.trained_runs import WORDS

NAMES = ("Straße", "cat", "dog")


def checkpoint_of(description: Path, path: Path, *, task: str = "1-1", **changes) -> Path:
    """A checkpoint of step 1 with random weights, as run.py writes it, with its card."""
    words = ["--dataset", str(description), *WORDS, "--task", task]
    config = argparser.resolve(words, {})
    dataset = build_dataset(config.dataset)
    step = make_step(dataset, config.task, 1)
    torch.manual_seed(0)
    net = METHODS["FT"](step).build_model(step, build.network_parts(config, pretrained=False))
    content = {"method": "FT", "dataset": step.dataset, "task": step.task, "step": 1}
    content |= {"groups": [list(group) for group in step.groups], "config": build.flat(config)}
    content |= {"net": net.state_dict(), "method_state": {}, "card": data_card(dataset)}
    checkpoint.save({key: value for key, value in (content | changes).items() if value is not None}, path)
    return path


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """`alone(extra, mask_mode)`: a checkpoint in a folder where nothing else is; its data are gone."""
    elsewhere = tmp_path / "elsewhere"

    def make(extra: str = "", *, values=(0, 1, 2), mode: str = "P", **changes) -> Path:
        data = {f"x{number}": values for number in range(3)}
        description = write_folder(tmp_path / "data", data, data, classes=NAMES, extra=extra)
        if mode != "P":
            for mask in (tmp_path / "data").rglob("*.png"):
                with Image.open(mask) as image:
                    array = np.asarray(image)
                Image.fromarray(array).save(mask)
        path = checkpoint_of(description, elsewhere / "step_1.pt", **changes)
        shutil.rmtree(tmp_path / "data")
        monkeypatch.chdir(elsewhere)
        return path

    return make


def photo(path="p.jpg", size=(50, 40), seed=0):
    write_image(Path(path), size, seed=seed)
    return path


def run(*words) -> int:
    return predict.cli([str(word) for word in words])


def test_a_checkpoint_alone_predicts_with_names_values_and_palette(alone, capsys):
    path = alone("ignore: 0", values=(0, 1, 2, 3))
    assert run(path.name, photo()) == 0
    assert "cat" in capsys.readouterr().out
    with Image.open("predictions/p_mask.png") as mask:
        assert mask.mode == "P" and mask.size == (50, 40)
        assert set(np.unique(mask)) <= {1, 2, 3}  # those of training
        assert mask.getpalette()[3:6] == [128, 0, 0]
    with open("predictions/p_shares.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["class"] for row in rows} <= set(NAMES)
    assert all(int(row["value"]) == int(row["label"]) + 1 for row in rows)


def test_grey_masks_give_grey_masks(alone):
    assert run(alone(mode="L").name, photo()) == 0
    with Image.open("predictions/p_mask.png") as mask:
        assert mask.mode == "L" and set(np.unique(mask)) <= {0, 1, 2}


@pytest.mark.parametrize(
    ("masks", "values", "mode", "want"),
    [
        ("palette", [7, 0, 255], "P", [[0, 255, 7]]),
        ("grey", [7, 0, 255], "L", [[0, 255, 7]]),
        ("grey", [7000, 0, 26000], "I;16", [[0, 26000, 7000]]),
        ("colours", [[1, 2, 3], [0, 0, 0], [255, 0, 9]], "RGB", [[[0, 0, 0], [255, 0, 9], [1, 2, 3]]]),
        ("panoptic", [70000, 0, 258], "RGB", [[[0, 0, 0], [2, 1, 0], [112, 17, 1]]]),
    ],
)
def test_masks_are_of_the_kind_that_was_trained_from(masks, values, mode, want):
    card = {"values": values, "masks": masks, "palette": bytes(range(256)).hex() * 3}
    picture = mask_picture(np.array([[0, 1, 2]], np.uint8), (1, 2, 0), card)
    assert picture.mode == mode and np.asarray(picture).tolist() == want


def test_the_card_of_published_data_is_known_without_their_files():
    card = data_card(VOC)
    assert card["class_names"][15] == "person" and card["values"][15] == 15
    assert bytes.fromhex(card["palette"])[3:6] == bytes([128, 0, 0])


def test_a_checkpoint_of_an_older_version_asks_for_the_data(alone, capsys):
    path = alone(card=None)
    assert run(path.name, photo()) == 2
    error = capsys.readouterr().err
    assert "pets.yaml" in error and "--dataset" in error


def test_a_checkpoint_of_an_older_version_predicts_with_the_description_of_its_data(tmp_path, monkeypatch):
    data = {"x": (0, 1, 2)}
    description = write_folder(tmp_path / "data", data, data, classes=NAMES)
    path = checkpoint_of(description, tmp_path / "step_1.pt", card=None)
    (tmp_path / "data").rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    assert run(path, photo(), "--dataset", "moved/pets.yaml") == 0


@pytest.mark.slow
def test_run_py_writes_checkpoints_that_predict_alone(cli, tmp_path, monkeypatch):
    assert cli("--step", "0")[0] == 0
    card = checkpoint.load(last_step(tmp_path / "checkpoints/small_4-1_overlap/FT_tiny"))["card"]
    assert card["masks"] == "grey" and card["mean"] == [0.485, 0.456, 0.406]
    (tmp_path / "away").mkdir()
    shutil.move(tmp_path / "checkpoints/small_4-1_overlap/FT_tiny/step_0.pt", tmp_path / "away/net.pt")
    monkeypatch.chdir(tmp_path / "away")
    assert run("net.pt", photo()) == 0


def test_the_normalisation_of_the_checkpoint_is_used(alone):
    trained = load_step(alone(), data=False)
    images = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    before = trained.forward(images).logits_small
    trained.card["mean"] = [0.5, 0.5, 0.5]
    assert not torch.allclose(trained.forward(images).logits_small, before)


@pytest.mark.parametrize(
    ("extra", "array", "want"),
    [
        ("bands: [2, 1, 0]", np.full((40, 50, 3), (10, 20, 30), np.uint8), (30, 20, 10)),
        ("range: [0, 4095]", np.full((40, 50), 4095, np.uint16), (255, 255, 255)),
    ],
)
def test_photos_are_decoded_as_the_pictures_of_training_were(alone, monkeypatch, extra, array, want):
    path = alone(extra)
    Image.fromarray(array).save("p.png")
    seen = []
    monkeypatch.setattr(predict, "look", lambda net, image, side: seen.append(image) or look(net, image))
    assert run(path, "p.png") == 0
    assert seen[0].shape == (3, 40, 50) and tuple(seen[0][:, 5, 5].tolist()) == want


def test_colour_masks_and_value_maps_give_masks_of_their_own_kind(alone):
    path = alone("values: {7: Straße, 300: cat, 9: dog, 0: void, 1: void, 2: void}")
    card = checkpoint.load(path)["card"]
    assert (card["masks"], card["values"]) == ("grey", [7, 300, 9])
    assert run(path, photo()) == 0
    with Image.open("predictions/p_mask.png") as mask:
        assert mask.mode == "I;16" and set(np.unique(mask)) <= {7, 300, 9}


@pytest.mark.slow
# -- many photos -----------------------------------------------------------------------------------
def test_a_folder_is_predicted_with_the_folders_below_it_and_continues_where_it_stopped(alone, capsys):
    path = alone()
    for number, name in enumerate(["in/a.jpg", "in/sub/a.jpg", "in/b.png"]):
        photo(name, seed=number)
    write_image(Path("in/.hidden.jpg"))
    assert run(path, "in", "--out", "in/out") == 0
    written = sorted(str(file) for file in Path("in/out").rglob("*_mask.png"))
    assert written == ["in/out/a_mask.png", "in/out/b_mask.png", "in/out/sub/a_mask.png"]
    kept = Path("in/out/b_mask.png").stat().st_mtime_ns
    Path("in/out/sub/a_shares.csv").unlink()  # as if it had been stopped there
    capsys.readouterr()
    assert run(path, "in", "--out", "in/out") == 0
    assert "2 of 3 photos are done already" in capsys.readouterr().out
    assert Path("in/out/b_mask.png").stat().st_mtime_ns == kept and Path("in/out/sub/a_shares.csv").is_file()
    assert run(path, "in", "--out", "in/out", "--overwrite") == 0
    assert Path("in/out/b_mask.png").stat().st_mtime_ns > kept


def test_predictions_of_another_network_are_not_taken_for_these(alone, capsys):
    path = alone()
    assert run(path, photo()) == 0
    content = checkpoint.own(checkpoint.load(path))
    checkpoint.save(content | {"note": "trained longer"}, path)
    assert run(path, "p.jpg") == 2
    assert "holds predictions by checksum" in capsys.readouterr().err
    assert run(path, "p.jpg", "--tile", "32", "--overwrite") == 0
    assert json.loads(Path("predictions/predictions.json").read_text())["tile"] == 32


def test_a_bad_photo_does_not_stop_the_others(alone, capsys):
    path = alone()
    Path("bad.jpg").write_text("no picture")
    assert run(path, "bad.jpg", "gone.jpg", photo()) == 2
    error = capsys.readouterr().err
    assert "bad.jpg" in error and "2 of 3 photos cannot be used" in error and error.count("\n") == 1
    assert Path("predictions/p_mask.png").is_file()


def test_overlays_can_be_left_out(alone):
    assert run(alone(), photo(), "--no_overlays") == 0
    assert {file.name for file in Path("predictions").iterdir()} == {
        "p_mask.png", "p_shares.csv", "predictions.json",
    }  # fmt: skip


# -- large photos ----------------------------------------------------------------------------------
@pytest.mark.parametrize("length", [1, 31, 32, 33, 47, 100, 1000])
def test_parts_cover_every_pixel_once_and_see_beyond_their_seams(length):
    covered = np.zeros(length, int)
    for seen, kept in spans(length, 32):
        assert 0 <= seen.start and seen.stop <= length and seen.stop - seen.start == min(length, 32)
        first, last = seen.start + kept.start, seen.start + kept.stop
        covered[first:last] += 1
        assert first == 0 or kept.start >= 4
        assert last == length or seen.stop - last >= 4
    assert (covered == 1).all()


@pytest.mark.parametrize("size", [(20, 300), (150, 90)])
def test_a_photo_in_parts_gets_nearly_the_answer_of_the_photo_as_a_whole(alone, size, monkeypatch):
    trained = load_step(alone(), data=False)
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, *size), np.uint8))
    whole = trained.predict(trained.view(image)[None])[0][0].numpy()
    parts = []
    real = trained.predict
    monkeypatch.setattr(type(trained), "predict", lambda self, x: parts.append(x.shape) or real(x))
    seen = look(trained, image)
    assert seen.predicted.shape == whole.shape and seen.counts.sum() == whole.size
    assert max(max(shape[2:]) for shape in parts) <= 3 * 32
    assert (len(parts) > 1) == (size[1] > 3 * size[0]) and (seen.predicted == whole).mean() > 0.7
    tiled = look(trained, image, side=50)
    assert tiled.predicted.shape == size and 0 < tiled.probability.sum() <= tiled.counts.sum()


def test_a_photo_above_the_limit_of_training_is_predicted_and_one_above_the_flag_refused(alone, capsys):
    path = alone("max_pixels: 400")
    assert run(path, photo(size=(300, 40))) == 0
    photo("large.png", size=(1100, 1000))
    assert run(path, "large.png", "--max_megapixels", "1") == 2
    error = capsys.readouterr().err
    assert "large.png" in error and "--max_megapixels" in error
