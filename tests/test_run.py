"""run.py as a user runs it, on a small folder data set."""

import json

import pytest
import torch

from experiment import checkpoint

pytestmark = pytest.mark.slow


def weights(path) -> dict:
    return checkpoint.load(path)["net"]


def run_folder(tmp_path, method: str, root: str = "checkpoints"):
    return tmp_path / root / "small_4-1_overlap" / f"{method}_tiny"


def test_all_steps_train_and_leave_tables_and_checkpoints(cli, tmp_path):
    status, out, err = cli("--method", "FT")
    assert status == 0, err
    assert "Run continue learning in" in out
    results = run_folder(tmp_path, "FT", "results")
    rows = [line.split(",") for line in (results / "results.csv").read_text().splitlines()]
    assert [row[0] for row in rows] == ["0", "1", "2"]
    assert all(len(row) == 1 + 7 + 1 for row in rows)
    assert rows[0][6:8] == ["x", "x"]
    last = json.loads((results / "step_2.json").read_text())
    assert last["over_steps"]["steps"] == [0, 1, 2]
    assert last["config"]["lr"] and last["versions"]["torch"]


def test_a_checkpoint_alone_says_how_it_is_tested(cli, tmp_path, small_data):
    cli("--method", "MiB", "--step", "0", "1")
    path = run_folder(tmp_path, "MiB") / "step_1.pt"
    status, out, err = cli("--test", "--ckpt", path, defaults=False)
    assert status == 0, err
    assert "MiB, small 4-1" in out


def test_a_finished_step_is_not_trained_again(cli, tmp_path):
    cli("--method", "FT", "--step", "0")
    path = run_folder(tmp_path, "FT") / "step_0.pt"
    before = path.stat().st_mtime_ns
    cli("--method", "FT", "--step", "0")
    assert path.stat().st_mtime_ns == before
    cli("--method", "FT", "--step", "0", "--overwrite")
    assert path.stat().st_mtime_ns != before


def test_a_step_that_continued_another_file_than_the_one_beside_it_is_named(cli, tmp_path):
    words = ["--method", "FT", "--step", "0", "1"]
    assert cli(*words)[0] == cli(*words)[0] == 0
    cli("--method", "FT", "--step", "0", "--overwrite", "--lr", "0.5")
    status, _, err = cli("--method", "FT", "--step", "1")
    assert status == 2 and "step_1.pt differs from this run: previous" in err and "--overwrite 1" in err


def test_step_0_is_shared_between_methods_that_train_it_alike(cli, tmp_path):
    cli("--method", "FT", "--step", "0")
    shared = run_folder(tmp_path, "FT") / "step_0.pt"
    status, _, err = cli("--method", "MiB", "--step_ckpt", shared)
    assert status == 0, err
    adopted = checkpoint.load(run_folder(tmp_path, "MiB") / "step_0.pt")
    assert adopted["method"] == "MiB"
    assert all(torch.equal(value, weights(shared)[key]) for key, value in adopted["net"].items())


def test_background_row_stays_frozen_after_step_1(cli, tmp_path):
    cli("--method", "DFT*", "--lr", "0.5")
    steps = [weights(run_folder(tmp_path, "DFT_STAR") / f"step_{k}.pt") for k in range(3)]
    for key in steps[0]:
        moved = [not torch.equal(steps[k][key], steps[k + 1][key]) for k in range(2)]
        step = int(key.split(".")[1]) if key.startswith("cls.") else -1
        assert moved == [step >= 1, step >= 2], (
            key
        )  # future rows train as negatives until their own step is over


@pytest.mark.parametrize("off", ["freeze_backbone", "freeze_classifiers", "pre_allocate"])
def test_each_switch_of_dft_star_can_be_turned_off(cli, tmp_path, off):
    status, _, err = cli("--method", "dft_star", f"--no_{off}", "--step", "0", "1", "--name", off)
    assert status == 0, err
    first, second = (
        weights(tmp_path / "checkpoints/small_4-1_overlap" / f"DFT_STAR_tiny_{off}" / f"step_{k}.pt")
        for k in range(2)
    )
    assert torch.equal(first["body.mod1.conv1.weight"], second["body.mod1.conv1.weight"]) == (
        off != "freeze_backbone"
    )
    assert torch.equal(first["cls.0.weight"], second["cls.0.weight"]) == (off != "freeze_classifiers")
    assert ("cls.2.weight" in first) == (off != "pre_allocate")


def test_accumulated_batches_equal_one_batch_when_no_batch_statistics_are_used(cli, tmp_path):
    """DFT* normalises with running statistics after step 0, so accumulation changes nothing but rounding."""
    cli("--method", "DFT*", "--step", "0")
    for accumulate in ("1", "2"):
        status, _, err = cli(
            "--method",
            "DFT*",
            "--step",
            "1",
            "--name",
            f"x{accumulate}",
            "--accumulate",
            accumulate,
            "--step_ckpt",
            run_folder(tmp_path, "DFT_STAR") / "step_0.pt",
        )
        assert status == 0, err
    one, two = (
        weights(tmp_path / "checkpoints/small_4-1_overlap" / f"DFT_STAR_tiny_x{n}" / "step_1.pt")
        for n in (1, 2)
    )
    for key in one:
        torch.testing.assert_close(one[key], two[key], rtol=1e-5, atol=1e-6)


def test_explain_says_where_each_value_comes_from_and_stops(cli, tmp_path):
    status, out, _ = cli("--method", "MiB", "--explain", "--lr", "0.5")
    assert status == 0
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert lines["lr"].endswith("command line")
    assert lines["loss_kd"].endswith("default of MiB")
    assert lines["weight_decay"].endswith("default")
    assert not (tmp_path / "checkpoints").exists()


def test_full_images_can_be_evaluated(cli):
    status, _, err = cli("--method", "FT", "--step", "0", "--eval", "full")
    assert status == 0, err


def test_other_values_than_the_step_before_are_shown_and_recorded(cli, tmp_path):
    cli("--method", "FT", "--step", "0", "--weight_decay", "0.001")
    status, out, _ = cli("--method", "FT", "--step", "1")
    assert status == 0 and "differs from step 0: weight_decay 0.001 -> 0.0001" in out
    result = json.loads((run_folder(tmp_path, "FT", "results") / "step_1.json").read_text())
    assert result["drift"] == ["weight_decay 0.001 -> 0.0001"]
