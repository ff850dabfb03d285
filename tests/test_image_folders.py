"""Folders of pictures with one label each: what a label map of one pixel goes through."""

import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import argparser
from analysis import visualize
from analysis.report.rows import regroup
from analysis.report.runs import Run
from data import textures
from dataset import build_dataset, first_task
from dataset.cache import cached
from dataset.images import CroppedImages, TrainImages
from dataset.increment import increment_data
from dataset.resize import resize
from dataset.transform import central_crop, crop_box, train_crop
from methods import METHODS
from methods.build import build_method
from methods.declared import heads_of
from methods.segacil import SegACIL
from metrics.results import read_results
from scripts.comparison_table import by_seed, table
from segmentation_module import Parts
from tasks import Step, make_step
from tests.conftest import SMALL
from train import Training

TABLE = np.arange(256, dtype=np.uint8)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Folders of textures: 6 classes of 8 + 4 pictures."""
    place = tmp_path_factory.mktemp("textures")
    textures.write(place, num_train=8, num_val=4)
    return place


def test_classes_are_the_folders_in_the_order_of_their_names(root):
    dataset = build_dataset("image_folders", root)
    assert dataset.class_names == ("checks", "plain", "rays", "rings", "spirals", "stripes")
    assert not dataset.has_background
    samples = dataset.samples("train")
    assert [sample.id for sample in samples[7:9]] == ["checks/0007.png", "plain/0000.png"]
    assert [int(dataset.read_mask(sample)) for sample in samples] == [k for k in range(6) for _ in range(8)]


def test_a_label_is_one_pixel_from_the_file_to_the_batch(root):
    dataset = build_dataset("image_folders", root)
    samples = dataset.samples("train")
    train = TrainImages(dataset, samples, TABLE, size=24, seed=0)
    for images, keys in ((train, [(0, 9), (1, 9)]), (CroppedImages(dataset, samples, TABLE, size=24), [9])):
        for key in keys:
            image, label = images[key]
            assert image.shape == (3, 24, 24)
            assert label.shape == (1, 1) and int(label) == 1


def test_steps_see_the_pictures_of_their_classes(root, tmp_path):
    dataset = build_dataset("image_folders", root)
    data = increment_data(dataset, make_step(dataset, "2-2", 1), cache_dir=tmp_path)
    assert {sample.id.split("/")[0] for sample in data.samples("train")} == {"rays", "rings"}
    assert {int(data.train[0, k][1]) for k in range(len(data.train))} == {2, 3}
    assert data.num_images == {"train": 16, "val": 8, "test": 16}
    with pytest.raises(ValueError, match="--cache keeps pictures with masks, and image_folders has none"):
        cached(data, "ram")


def test_crops_are_drawn_and_tests_look_as_on_imagenet(root):
    dataset = build_dataset("image_folders", root)
    image, label = dataset.read(dataset.samples("val")[0])
    seen, _ = central_crop(image, label, 28, margin=dataset.view_margin)
    height, width = image.shape[1:]
    resized = resize(image, *(32, 32 * width // height) if height <= width else (32 * height // width, 32))
    top, left = (round((side - 28) / 2) for side in resized.shape[1:])
    assert torch.equal(seen, resized[:, top : top + 28, left : left + 28])

    crop, _ = train_crop(image, label, 24, random.Random(1), area=dataset.crop_area)
    rng = random.Random(1)
    top, left, height, width = crop_box(rng, image.shape[2], image.shape[1], area=(0.08, 1.0))
    own = resize(image[:, top : top + height, left : left + width], 24, 24)
    assert torch.equal(crop, own.flip(-1) if rng.random() < 0.5 else own)


@pytest.mark.parametrize(
    ("name", "spoil", "says"),
    [
        ("image_folders", lambda root: root / "train", "has no train/<class>/ folders"),
        ("imagenet100", lambda root: root, "has 2 folders of classes, not 100: .* --dataset image_folders"),
        ("image_folders", lambda root: (root / "val" / "b").rename(root / "c").parent, "no folder .*/val/b"),
    ],
)
def test_what_is_no_such_folder_is_refused_with_a_cure(tmp_path, name, spoil, says):
    for split in ("train", "val"):
        for kind in "ab":
            (tmp_path / split / kind).mkdir(parents=True)
            Image.new("RGB", (2, 2)).save(tmp_path / split / kind / "x.png")
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        build_dataset(name, spoil(tmp_path)).samples("val")


def test_a_picture_of_one_pixel_is_named(tmp_path):
    for split in ("train", "val"):
        (tmp_path / split / "a").mkdir(parents=True)
    Image.new("RGB", (1, 1)).save(tmp_path / "train" / "a" / "dot.png")
    dataset = build_dataset("image_folders", tmp_path)
    with pytest.raises(ValueError, match=r"dot\.png is a single pixel"):
        dataset.read(dataset.samples("train")[0])


def test_the_first_task_is_the_announced_one_or_has_to_be_named():
    assert first_task("imagenet100") == "50-10"
    with pytest.raises(ValueError, match=r"names no tasks: choose one with --task.*\(all at once\)$"):
        first_task("image_folders")


@pytest.fixture
def learn(cli, root):
    """`learn(*argv)`: run.py on the textures, three classes and then three; the JSON of each step."""

    def call(*argv: str) -> list[dict]:
        words = ["--dataset", "image_folders", "--data_root", root, "--task", "3-3", *SMALL, *argv]
        status, out, err = cli(*words, defaults=False)
        assert status == 0, err
        return out, read_results(*Path("results/image_folders_3-3_overlap").iterdir())

    return call


@pytest.mark.slow
def test_two_steps_are_scored_by_the_share_of_recognised_images(learn):
    out, steps = learn("--method", "RCIL", "--epochs", "8", "1", "--batch_size", "6", "--lr", "0.02")
    for step in steps:
        matrix, scores = torch.tensor(step["confusion"]), step["scores"]
        assert step["images"] == matrix.sum() == 12 + 12 * step["step"]  # images, not pixels
        assert scores["top1_accuracy_all"] == pytest.approx(float(matrix.trace() / matrix.sum()))
    assert steps[0]["scores"]["top1_accuracy_old"] > 0.5
    over = steps[1]["over_steps"]
    average = sum(step["scores"]["top1_accuracy_all"] for step in steps) / 2
    assert over["average_incremental_accuracy"] == pytest.approx(average)
    kept = [(steps[0]["classes"][k]["accuracy"], steps[1]["classes"][k]["accuracy"]) for k in range(3)]
    assert over["mean_forgetting"] == pytest.approx(sum(before - now for before, now in kept) / 3)
    place = next(Path("checkpoints/image_folders_3-3_overlap").iterdir())
    assert visualize.cli([str(place), "--num_images", "1", "--out", "drawn"]) == 0
    assert Path("drawn/errors.png").is_file()
    run = Run(Path(), steps)
    assert run.numbers({})["average"] == pytest.approx(average)
    assert run.numbers({})["all"] == steps[1]["scores"]["top1_accuracy_all"]
    joint = regroup(run, {entry["name"]: entry["step"] for entry in steps[1]["classes"]}, False)
    assert joint["old"] == pytest.approx(steps[1]["scores"]["top1_accuracy_old"], abs=1e-5)
    scores = [100 * steps[1]["scores"][f"top1_accuracy_{group}"] for group in ("all", "old", "new")]
    shown = table({"RCIL": [steps]}).splitlines()[-1].split(" | ")[1:4]
    assert [float(cell) for cell in shown] == pytest.approx(scores, abs=0.06)
    assert by_seed([steps]) == {42: pytest.approx(scores[0])}
    assert "top-1 accuracy in %" in out and "mIoU" not in out and "Mean IoU" not in out
    assert f"top-1 old {100 * steps[0]['scores']['top1_accuracy_old']:.2f}" in out


class OneBatch:
    """A loader of one batch: four images of the step's classes."""

    def __init__(self, step: Step):
        images = torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8)
        self.batch = images, torch.tensor(step.new)[torch.arange(4) % step.num_new].view(4, 1, 1).byte()
        self.batch_sampler = self

    def __iter__(self):
        yield self.batch

    def seek(self, epoch, batch, *, complete=False):
        """There is one batch."""


def test_methods_that_need_no_background_learn_from_images_and_the_others_say_why_not():
    refused, pooled = set(), Parts("tiny", output_stride=8, head_name="pooled")
    kinds = {name: kind for name, kind in METHODS.items() if "pooled" in heads_of(name)}
    for name, kind in kinds.items():
        hyper = {"num_random": 16} if issubclass(kind, SegACIL) else {}
        steps = [Step("pets", "3-2", k, ((0, 1, 2), (3, 4)), has_background=False) for k in range(2)]
        how = {"hyper": hyper, "training": Training(epochs=1, lr=0.01), "device": torch.device("cpu")}
        try:
            kind(steps[1])
        except ValueError as error:
            assert re.search("background.*, which pets has not", str(error))
            refused.add(name)
            continue
        previous = None
        for step in steps:
            method = build_method(name, step, pooled, previous=previous, **how)
            loader = OneBatch(step)
            if step.index:
                method.start_increment(loader)
            method.net.train()
            if not method.fit_step(loader):
                images, labels = loader.batch
                losses = method.losses(images.float() / 255, labels.long())
                sum(losses.values()).backward()
                method.after_backward()
            method.end_increment(loader)
            state = {"net": method.net.state_dict(), "method_state": method.state_dict()}
            previous = {"step": step.index} | state
        out = method.net.eval()(torch.randn(4, 3, 32, 32))
        assert method.predict(out.logits).shape == (4, 1, 1) and out.logits.isfinite().all(), name
    served = "FT LWF LWF-MC ILT EWC PI RW DFT* RCIL SegACIL RIDGE PROTOTYPES LDA".split()
    assert kinds.keys() - refused == set(served)


def test_head_and_labels_must_be_of_one_kind(cli, root):
    words = ["--dataset", "image_folders", "--data_root", root, "--task", "3-3", "--recipe", "none"]
    status, out, err = cli(*words, "--head", "deeplab", defaults=False)
    assert (status, err) == (2, "run.py: error: image_folders has one label per image: give --head pooled\n")
    assert "random weights" not in out  # which is how classification starts
    status, out, err = cli(*words, "--method", "CoMFormer", defaults=False)
    says = "image_folders has one label per image: CoMFormer learns from masks alone"
    assert (status, err) == (2, f"run.py: error: {says}\n")
    status, _, err = cli("--head", "pooled")
    assert status == 2 and "--head pooled answers for whole images" in err and "has masks" in err
    assert argparser.parse(list(map(str, words))).sources["head"] == "default of image_folders"
