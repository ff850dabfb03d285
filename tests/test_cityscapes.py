"""Cityscapes through run.py: new cities at every step, and new classes at every step."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import run
from dataset.cityscapes import CITIES, EVALUATED
from experiment import checkpoint
from methods import METHODS
from tasks import named_step
from tests.builders import PARTS, TinyLoader, make_images, make_labels
from tests.conftest import SMALL
from train import Training, start

pytestmark = pytest.mark.slow

PER_CITY = 5  # of which the clean split holds out one


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Root of a Cityscapes tree with 5 images of each of the 21 cities; an image shows one class and void."""
    root = tmp_path_factory.mktemp("cityscapes")
    rng = np.random.default_rng(0)
    for number, city in enumerate(CITIES):
        split = "val" if number >= 18 else "train"
        images, masks = root / "leftImg8bit" / split / city, root / "gtFine" / split / city
        images.mkdir(parents=True), masks.mkdir(parents=True)
        for index in range(PER_CITY):
            stem = f"{city}_{index:06d}_000019"
            pixels = rng.integers(0, 255, (32, 40, 3), np.uint8)
            Image.fromarray(pixels).save(images / f"{stem}_leftImg8bit.png")
            mask = np.full((32, 40), EVALUATED[(number * PER_CITY + index) % 19], np.uint8)
            mask[:, :4] = 0
            Image.fromarray(mask).save(masks / f"{stem}_gtFine_labelIds.png")
    return root


@pytest.fixture
def cli(tree, tmp_path, monkeypatch, capsys):
    """`cli(*words)` runs run.py on the tree, or on another `root`, in an empty folder: status and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*words, root=tree):
        status = run.main(["--data_root", str(root), *SMALL, "--epochs", "1", *map(str, words)])
        return status, capsys.readouterr().err

    return call


def results(folder):
    """What the result files of a run say, by step."""
    return [
        json.loads(path.read_text())
        for path in sorted(folder.glob("*/step_*.json"), key=lambda p: int(p.stem[5:]))
    ]


def test_published_task_learns_one_city_after_the_other(cli, tmp_path):
    status, err = cli("--dataset", "cityscapes_domain", "--task", "11-1", "--method", "FT")
    assert status == 0, err
    steps = results(tmp_path / "results/cityscapes_domain_11-1_overlap")
    assert [step["step"] for step in steps] == list(range(11))
    assert [step["images"] for step in steps] == list(range(11, 22))  # one held-out image per city seen
    assert [step["cost"]["images"] for step in steps] == [44] + [4] * 10
    assert all(len(step["classes"]) == 19 and not step["has_background"] for step in steps)
    net = checkpoint.load(next(tmp_path.rglob("step_10.pt")))["net"]
    assert net["cls.0.weight"].shape[0] == 19 and "cls.1.weight" not in net


@pytest.mark.parametrize("method", ["PLOP", "LWF"])
def test_methods_that_distil_train_on_domains(cli, tmp_path, method):
    status, err = cli("--dataset", "cityscapes_domain", "--task", "19-1", "--method", method)
    assert status == 0, err
    assert [step["images"] for step in results(tmp_path / "results/cityscapes_domain_19-1_overlap")] == [
        19,
        20,
        21,
    ]


def test_leaky_split_is_the_published_one_and_keeps_its_own_files(cli, tmp_path):
    words = ("--dataset", "cityscapes_domain", "--task", "19-1", "--method", "FT")
    for extra in ((), ("--leaky_split",)):
        status, err = cli(*words, *extra)
        assert status == 0, err
    clean, leaky = (
        [
            json.loads((tmp_path / f"results/cityscapes_domain_19-1_overlap/{run}/step_{k}.json").read_text())
            for k in range(3)
        ]
        for run in ("FT_tiny", "FT_tiny_leaky")
    )
    assert [step["cost"]["images"] for step in clean] == [76, 4, 4]
    assert [step["cost"]["images"] for step in leaky] == [76, 4, 4]  # 80 % of 95, of 5, of 5
    assert [step["images"] for step in leaky] == [19, 20, 21]
    assert leaky[0]["config"]["leaky_split"] and not clean[0]["config"]["leaky_split"]
    status, err = cli("--dataset", "cityscape", "--task", "10-9", "--leaky_split")
    assert status == 2 and "--leaky_split is a way to cut cityscapes_domain" in err


def test_missing_city_is_named_before_step_0_and_stops_no_step_that_does_not_need_it(cli, tree, tmp_path):
    root = tmp_path / "tree"
    shutil.copytree(tree, root)
    for folder in ("leftImg8bit", "gtFine"):
        shutil.rmtree(root / folder / "val/lindau")
    words = ("--dataset", "cityscapes_domain", "--task", "19-1", "--method", "FT")
    status, err = cli(*words, root=root)
    assert status == 2 and "no image of lindau, which step 1 trains on" in err
    assert not list(tmp_path.rglob("step_*.pt"))
    assert cli(*words, "--step", "0", root=root)[0] == 0


def test_classes_are_learned_10_then_9(cli, tmp_path):
    status, err = cli("--dataset", "cityscape", "--task", "10-9", "--method", "FT")
    assert status == 0, err
    first, second = results(tmp_path / "results/cityscape_10-9_overlap")
    assert [len(step["classes"]) for step in (first, second)] == [11, 20]
    assert first["cost"]["images"] + second["cost"]["images"] == 18 * PER_CITY  # every image serves one step
    assert second["images"] == 3 * PER_CITY
    background = second["classes"][0]
    assert background["name"] == "background" and background["pixels"] == 0 and background["iou"] is None
    net = checkpoint.load(next(tmp_path.rglob("step_1.pt")))["net"]
    assert [net[f"cls.{k}.weight"].shape[0] for k in (0, 1)] == [11, 9]


def test_old_classes_can_stay_labelled_as_rcil_meant_it(cli, tmp_path):
    status, err = cli(
        "--dataset", "cityscape", "--task", "10-9", "--masking", "current+old", "--step", "0"
    )
    assert status == 0, err
    content = checkpoint.load(next(tmp_path.rglob("step_0.pt")))
    assert content["config"]["masking"] == "current+old"


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains_on_domains_or_refuses_with_the_reason(name):
    step = named_step("cityscapes_domain", 19, "11-1", 1, has_background=False)
    try:
        method = METHODS[name](step)
        method.net = method.model = method.build_model(step, PARTS)
    except ValueError as error:
        assert any(reason in str(error) for reason in ("background", "bring", "ResNets"))
        return
    method.training = training = Training(epochs=1, lr=0.01)
    before = METHODS[name](step.at(0))
    before.net = before.build_model(step.at(0), PARTS)
    method.load_previous(before.net.state_dict())
    if method.needs_teacher:
        method.teacher = before.net.eval().requires_grad_(False)
    method.start_increment(TinyLoader(step.at(0)))
    method.model = method.net
    if not method.net.trainable():
        with pytest.raises(ValueError, match="nothing is trainable"):
            start(method, training, batches=2, device=torch.device("cpu"))
        return
    losses = method.losses(make_images(), make_labels(step.at(0), "mixed"))
    assert losses and all(value.isfinite() for value in losses.values())
    sum(losses.values()).backward()
