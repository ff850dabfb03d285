"""What lies in the folders of a run is used only for what it is; a difference is one line with a cure."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from experiment import checkpoint

pytestmark = pytest.mark.slow

RUN = "checkpoints/small_4-1_overlap/FT_tiny"


def bytes_of(folder):
    """Every file below `folder`."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def finished(cli, tmp_path):
    """A finished step 0."""
    assert cli("--step", "0")[0] == 0
    return tmp_path / RUN / "step_0.pt"


# -- values (A, P)
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lr", "0.5", "--epochs", "3"], ["epochs 1 there, 3 here", "lr 0.01 there, 0.5 here"]),
        (["--batch_size", "8"], ["batch_size 4 there, 8 here"]),
        (["--crop_size", "24"], ["crop_size 32 there, 24 here"]),
        (["--protocol", "mib"], ["protocol plop there, mib here"]),
        (["--norm", "lean"], ["norm abn there, lean here"]),
    ],
    ids=lambda words: " ".join(words),
)
def test_a_finished_step_of_other_values_is_refused_with_both_sides(cli, finished, tmp_path, words, said):
    before = bytes_of(tmp_path)
    status, _, err = cli("--step", "0", *words)
    assert status == 2 and all(part in err for part in said), err
    assert len(err.splitlines()) == 1 and "--overwrite 0" in err and "--name" in err and "--accept" in err
    assert bytes_of(tmp_path) == before


@pytest.mark.parametrize(
    "cure", [["--name", "other"], ["--overwrite", "0"], ["--overwrite"], ["--accept", "lr"]], ids=" ".join
)
def test_each_cure_of_a_difference_helps(cli, finished, cure):
    status, out, err = cli("--step", "0", "--lr", "0.5", *cure)
    assert status == 0, err
    assert ("accepted of" in out) == ("--accept" in cure)


@pytest.mark.parametrize(
    "words",
    [
        ["--num_workers", "1"],
        ["--pooling", "16"],
        ["--deterministic"],
        ["--print_interval", "1"],
        ["--lr", "0.01", "7"],
    ],
    ids=" ".join,
)
def test_what_does_not_decide_the_step_may_differ(cli, finished, words):
    status, _, err = cli("--step", "0", *words)
    assert status == 0, err


def test_hyper_parameters_of_a_method_do_not_matter_for_a_step_0_that_is_fine_tunings(cli):
    assert cli("--method", "MiB", "--step", "0", "1")[0] == 0
    assert cli("--method", "MiB", "--step", "0", "--loss_kd", "3")[0] == 0
    status, _, err = cli("--method", "MiB", "--step", "1", "--loss_kd", "3")
    assert status == 2 and "loss_kd 10.0 there, 3.0 here" in err


def test_rates_by_step_mean_the_same_in_one_call_and_in_one_call_per_step(cli, tmp_path):
    rates = ["--lr", "0.1", "0.001", "--epochs", "1", "2"]
    assert cli("--step", "0", "1", *rates, "--name", "one")[0] == 0
    for step in ("0", "1"):
        assert cli("--step", step, *rates, "--name", "two")[0] == 0
    one, two = (checkpoint.load(tmp_path / f"{RUN}_{name}/step_1.pt") for name in ("one", "two"))
    assert all(torch.equal(one["net"][key], two["net"][key]) for key in one["net"])
    assert one["identity"]["lr"] == two["identity"]["lr"] == 0.001


def test_one_value_in_one_call_per_step_is_that_steps(cli, tmp_path):
    assert cli("--step", "0", "--lr", "0.1")[0] == cli("--step", "1", "--lr", "0.002")[0] == 0
    assert checkpoint.load(tmp_path / RUN / "step_1.pt")["identity"]["lr"] == 0.002


def test_a_value_that_no_step_can_use_is_refused_before_anything_trains(cli, tmp_path):
    status, _, err = cli("--task", "offline", "--lr", "0.1", "0.001")
    assert status == 2 and "--lr has 2 values" in err and "leave out 0.001" in err
    assert not list(tmp_path.rglob("step_*.pt"))


def test_overwrite_trains_the_named_step_again_and_no_other(cli, tmp_path):
    assert cli("--step", "0", "1")[0] == 0
    times = {index: (tmp_path / RUN / f"step_{index}.pt").stat().st_mtime_ns for index in (0, 1)}
    status, _, err = cli("--step", "0", "1", "--lr", "0.01", "0.003", "--overwrite", "1")
    assert status == 0, err
    again = {index: (tmp_path / RUN / f"step_{index}.pt").stat().st_mtime_ns for index in (0, 1)}
    assert again[0] == times[0] and again[1] != times[1]


def test_numbers_over_steps_leave_out_a_step_that_continued_another_one(cli, tmp_path, caplog):
    assert cli("--step", "0", "1")[0] == 0
    status, out, err = cli("--step", "0", "--lr", "0.03", "--overwrite", "0")
    assert status == 0, err
    assert "step_1.json is left out: it continued another step 0 than is there now" in caplog.text
    caplog.clear()
    assert len(next(tmp_path.glob("results/*/*/results.csv")).read_text().splitlines()) == 1
    assert "forgetting" in out and "Last Step: 0" in out
    status, out, err = cli("--step", "0", "1", "--lr", "0.03", "--overwrite", "1")
    assert status == 0 and not caplog.text and "Last Step: 1" in out, err


# -- data (A, C)
@pytest.fixture
def roads(tmp_path, monkeypatch):
    """`roads(folder, classes, seed)`: a YAML d.yaml of a data set with three classes, in its own folder."""
    monkeypatch.chdir(tmp_path)

    def make(folder: str, classes: str = "background, a, b", seed: int = 0):
        root, rng = tmp_path / folder, np.random.default_rng(seed)
        for split, count in (("train", 8), ("val", 4)):
            for kind in ("images", "masks"):
                (root / split / kind).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                mask = np.zeros((40, 40), np.uint8)
                mask[4:20, 4:20], mask[22:38, 22:38] = 1, 2
                picture = rng.integers(0, 256, (40, 40, 3), np.uint8)
                Image.fromarray(picture).save(root / split / "images" / f"{number}.png")
                Image.fromarray(mask).save(root / split / "masks" / f"{number}.png")
        text = f"classes: [{classes}]\n"
        for split in ("train", "val"):
            text += f"{split}: {{images: {split}/images, masks: {split}/masks}}\n"
        (root / "d.yaml").write_text(text)
        return root / "d.yaml"

    return make


def test_another_data_set_whose_yaml_has_the_same_name_is_not_taken_for_the_first(cli, roads, tmp_path):
    one, other = roads("roads"), roads("cells", "background, cell, wall", seed=1)
    task = ["--task", "1-1", "--step", "0"]
    assert cli("--dataset", one, *task)[0] == 0
    before = bytes_of(tmp_path / "checkpoints") | bytes_of(tmp_path / "results")
    status, _, err = cli("--dataset", other, *task)
    assert status == 2 and "classes a" in err and "cell" in err, err
    assert bytes_of(tmp_path / "checkpoints") | bytes_of(tmp_path / "results") == before
    status, out, err = cli("--dataset", other, *task, "--name", "cells")
    assert status == 0 and "is that of" not in out, err
    # Where checkpoints are apart, results would be overwritten.
    status, _, err = cli("--dataset", other, *task, "--checkpoint", "elsewhere")
    assert status == 2 and "results" in err and "classes" in err


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_other_pictures_or_masks_of_the_same_names_and_sizes_are_other_data(cli, roads, kind):
    description = roads("d")
    words = ["--dataset", description, "--task", "1-1"]
    assert cli(*words, "--step", "0")[0] == 0
    path = next((description.parent / "train" / kind).iterdir())
    pixels = np.array(Image.open(path))
    pixels[0, 0] = 1
    Image.fromarray(pixels).save(path)
    status, _, err = cli(*words, "--step", "0")
    assert status == 2 and "images 8 (" in err and "--accept images" in err
    status, out, err = cli(*words, "--step", "0", "--name", "nir")
    assert status == 0 and "is that of" not in out, err  # step 0 of the other pictures is not shared
    status, _, err = cli(*words, "--step", "1")
    assert status == 2 and "step_0.pt" in err and "images" in err
    assert cli(*words, "--step", "1", "--accept", "images")[0] == 0


def test_an_interrupted_step_of_other_pictures_is_not_continued(cli, roads, monkeypatch):
    import train
    from tests.test_resume import Killed, bomb

    description = roads("d")
    words = ["--dataset", description, "--task", "1-1", "--step", "0", "--ckpt_interval", "0"]
    words += ["--epochs", "3"]
    with monkeypatch.context() as patch:
        patch.setattr(train, "optimizer_step", bomb(3, train.optimizer_step))
        with pytest.raises(Killed):
            cli(*words)
    for path in (description.parent / "train/images").iterdir():
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    status, _, err = cli(*words)
    assert status == 2 and "step_0.last.pt" in err and "images" in err and "--overwrite 0" in err
    assert cli(*words, "--overwrite", "0")[0] == 0


def test_the_same_data_in_another_folder_are_the_same_data(cli, roads, tmp_path):
    one = roads("d")
    assert cli("--dataset", one, "--task", "1-1", "--step", "0")[0] == 0
    shutil.copytree(one.parent, tmp_path / "moved")
    status, _, err = cli("--dataset", tmp_path / "moved/d.yaml", "--task", "1-1")
    assert status == 0, err


# -- before identities were kept
def test_files_from_before_load_and_one_line_says_what_was_not_checked(cli, finished, tmp_path):
    content = checkpoint.load(finished)
    old = {key: value for key, value in content.items() if key not in ("identity", "step0_as")}
    checkpoint.save(old | {"shared_step0": "cross entropy"}, finished)
    status, out, err = cli("--step", "0", "1")
    assert status == 0, err
    lines = [line for line in out.splitlines() if "could not be checked" in line]
    assert lines and all("step_0.pt" in line for line in lines)


# -- tests say what they measured (B)
def results_of(tmp_path):
    """Result files by name."""
    folder = tmp_path / RUN.replace("checkpoints", "results")
    return {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}


def test_a_test_of_another_kind_says_so_and_stands_beside_the_first(cli, finished, tmp_path):
    first = results_of(tmp_path)["step_0.json"]
    status, out, err = cli("--step", "0", "--test", "--eval", "full")
    assert status == 0, err
    assert "full view" in out
    found = results_of(tmp_path)
    assert found.keys() == {"step_0.json", "step_0_full.json"} and found["step_0.json"] == first
    assert found["step_0_full.json"]["evaluation"] == "full"
    assert found["step_0_full.json"]["test"]["view"]["crop_size"] == 0
    assert (tmp_path / RUN.replace("checkpoints", "results") / "results_full.csv").is_file()


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--protocol", "mib"], "step_0_mib.json"),
        (["--ignore_test_bg"], "step_0_nobg.json"),
        (["--crop_size", "24"], "step_0_crop24.json"),
        (["--eval", "full", "--ignore_test_bg"], "step_0_full_nobg.json"),
        (["--pooling", "1"], "step_0_pooling1.json"),
        (["--output_stride", "16", "--precision", "bf16"], "step_0_outputstride16precisionbf16.json"),
    ],
    ids=str,
)
def test_every_kind_of_test_has_a_file_of_its_own(cli, finished, tmp_path, words, name):
    first = results_of(tmp_path)["step_0.json"]
    status, _, err = cli("--step", "0", "--test", *words)
    assert status == 0, err
    found = results_of(tmp_path)
    assert found[name]["scores"] and found["step_0.json"] == first


def test_the_report_keeps_kinds_of_tests_apart(cli, finished, tmp_path):
    from analysis.report.runs import read_runs

    cli("--step", "0", "--test", "--eval", "full")
    runs = read_runs([tmp_path / "results"])
    assert len({run.setting for run in runs}) == len(runs) == 2


def test_another_checkpoint_does_not_take_the_place_of_the_runs_own_result(cli, finished, tmp_path):
    first = results_of(tmp_path)["step_0.json"]
    content = checkpoint.load(finished)
    content["net"]["cls.0.bias"] += 1
    checkpoint.save(content, tmp_path / "other.pt")
    status, _, err = cli("--test", "--ckpt", tmp_path / "other.pt", defaults=False)
    assert status == 0, err
    found = results_of(tmp_path)
    assert found["step_0.json"] == first and len(found) == 2


def test_results_on_other_test_images_are_not_mixed_with_the_first(cli, roads):
    description = roads("d")
    words = ["--dataset", description, "--task", "1-1"]
    assert cli(*words, "--step", "0")[0] == 0
    for path in (description.parent / "val/images").iterdir():
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    status, _, err = cli(*words, "--step", "1")
    assert status == 2 and "test_images" in err
    assert cli(*words, "--step", "1", "--accept", "test_images")[0] == 0


@pytest.mark.parametrize(
    ("argv", "said"),
    [(["--accept", "imges"], "images"), (["--overwrite", "seven"], "--overwrite seven")],
    ids=str,
)
def test_a_misspelt_difference_or_step_is_refused(cli, finished, argv, said):
    status, _, err = cli("--step", "0", *argv)
    assert status == 2 and said in err


@pytest.mark.parametrize(
    "flag", [["--method", "MiB"], ["--task", "3-1"], ["--setting", "disjoint"]], ids=" ".join
)
def test_a_checkpoint_is_not_tested_as_what_it_is_not(cli, finished, tmp_path, flag):
    before = bytes_of(tmp_path / "results")
    status, _, err = cli("--test", "--ckpt", finished, *flag, defaults=False)
    assert status == 2 and f"leave out {' '.join(flag)}" in err, err
    assert bytes_of(tmp_path / "results") == before
    assert cli("--test", "--ckpt", finished, defaults=False)[0] == 0


def test_a_step_0_of_other_values_is_adopted_only_if_that_is_meant_and_keeps_them(cli, finished, tmp_path):
    argv = ["--step", "0", "--name", "ad", "--step_ckpt", finished, "--lr", "0.5"]
    status, _, err = cli(*argv)
    assert status == 2 and "lr 0.01 there, 0.5 here" in err
    for _ in range(2):  # the same command goes on
        status, _, err = cli(*argv, "--accept", "lr")
        assert status == 0, err
    assert checkpoint.load(tmp_path / f"{RUN}_ad/step_0.pt")["identity"]["lr"] == 0.01
    assert cli("--step", "0", "1", "--name", "ad", "--lr", "0.01")[0] == 0


def test_a_mask_that_changes_in_place_is_another_in_every_byte(tmp_path):
    from dataset.base import Sample
    from dataset.content import digest

    mask = tmp_path / "mask.bmp"
    mask.write_bytes(bytes(5_000_000))
    before = digest(Sample("0", None, mask))
    with mask.open("r+b") as file:
        file.seek(1_234_567)
        file.write(b"1")
    assert digest(Sample("0", None, mask)) != before


def test_finished_steps_need_no_images_any_more(cli, roads):
    description = roads("d")
    argv = ["--dataset", description, "--task", "1-1"]
    assert cli(*argv)[0] == 0
    for path in (description.parent / "train/masks").iterdir():
        Image.fromarray(np.zeros((40, 40), np.uint8)).save(path)
    status, _, err = cli(*argv)
    assert status == 2 and "differs from this run: images 8" in err and "--accept images" in err
    status, _, err = cli(*argv, "--accept", "images")
    assert status == 0, err
