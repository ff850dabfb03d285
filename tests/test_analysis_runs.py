"""Which runs the analyses find, what they take over from a checkpoint, and how they answer mistakes."""

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from analysis import drift, predict, probe, visualize
from analysis.runs import find_runs
from analysis.trained import load_step
from config import recipes
from dataset import build_dataset
from experiment import checkpoint


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


def test_a_folder_of_runs_means_all_of_them_and_predict_asks_which(runs, here, capsys):
    folder = runs["FT"].parent
    found = find_runs([str(folder)])
    assert {run.name for run in found} == {"FT", "DFT*"} and all(len(run.paths) == 3 for run in found)
    assert predict.cli([str(folder), "photo.png"]) == 2
    assert "several runs" in capsys.readouterr().err


def test_predict_takes_the_last_step_of_a_run(runs, here, capsys):
    Image.new("RGB", (50, 40), (200, 30, 30)).save("photo.png")
    assert predict.cli([str(runs["FT"]), "photo.png"]) == 0
    assert "after step 2" in capsys.readouterr().out


@pytest.mark.parametrize("content, says", [(None, "there is no"), (b"no picture", "is no picture")])
def test_a_photo_that_is_none_is_answered_in_one_line(runs, here, capsys, content, says):
    if content:
        Path("photo.png").write_bytes(content)
    assert predict.cli([str(runs["FT"]), "photo.png"]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_runs_of_different_tasks_are_not_compared(runs, here, capsys, tmp_path):
    content = checkpoint.load(runs["FT"] / "step_0.pt")
    content["groups"] = content["groups"][::-1]
    checkpoint.save(content, tmp_path / "other" / "step_0.pt")
    assert drift.cli([str(runs["FT"]), "other"]) == 2
    assert "different classes" in capsys.readouterr().err


# -- what else a run stored ------------------------------------------------------------------------
def test_analyses_need_no_recipes(runs, here, monkeypatch):
    def broken(*args):
        raise ValueError("recipes.yaml cannot be read")

    monkeypatch.setattr(recipes, "read_recipes", broken)
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
