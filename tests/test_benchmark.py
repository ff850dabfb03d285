"""The benchmark: its textbook forms say what ours say, and its tables hold what was measured."""

import json

import pytest
import torch

from dataset import build_dataset
from scripts.benchmark import __main__ as benchmark
from scripts.benchmark import files as benchmark_files
from scripts.benchmark import generated
from scripts.benchmark import heads as benchmark_heads
from scripts.benchmark import losses as benchmark_losses
from scripts.benchmark import methods as benchmark_methods
from scripts.benchmark import runs as benchmark_runs
from scripts.benchmark.runs import Spent
from scripts.benchmark.steps import Bench
from scripts.benchmark.tools import Row, distance, kept_bytes, number, peak_rate, plain_types, table
from segmentation_module import Parts
from tests.builders import MASKS

CPU = torch.device("cpu")
SMALL = ["--backbone", "tiny", "--size", "64", "--batch", "2", "--classes", "7", "--rounds", "1"]


def rows(section):
    return {row.name: row for row in benchmark.measure(section, benchmark.parse([section, *SMALL]), CPU)}


def test_losses_and_their_gradients_are_those_of_the_textbook():
    found = rows("loss")
    assert len(found) == 7
    assert all(row.error < 1e-5 for row in found.values()), found


def test_losses_keep_only_the_gradient_by_the_small_logits():
    batch = benchmark_losses.Batch(101, 151, size=64, images=1, device=CPU)
    for maps in (benchmark_losses.unbiased(101), benchmark_losses.with_distillation()):
        plain, ours = batch.pair(*maps)
        gradient = batch.logits.nbytes
        assert kept_bytes(ours.forward) <= 2 * gradient + 64 < kept_bytes(plain.forward) / 10


def test_data_forms_give_the_same_labels_and_images_to_a_grey_level():
    found = rows("data")
    assert found["presence scan"].error == 0 and found["label masking 500x375"].error == 0
    assert all(found[f"--cache {place} against none"].error == 0 for place in ("ram", "disk"))
    loading = found["load and augment to 64"]
    assert loading.more["labels that differ"] == 0 and loading.error < 0.01


@pytest.mark.slow
def test_scans_count_the_pixels_of_bare_decoding_and_memory_is_told_per_image():
    found = {row.name: row for row in benchmark_files.rows(rounds=1, images=250, scanned=20)}
    *compared, memory = found.values()
    assert len(compared) == 4 and all(row.error == 0 for row in compared)
    assert set(memory.more) <= {"bytes per image, process", "bytes per image, worker"}


@pytest.mark.slow
def test_iterations_start_with_the_loss_of_the_textbook():
    found = rows("step")
    for name in ("FT", "DFT*", "MiB", "PLOP"):
        row = found[f"{name}, 7 classes"]
        assert row.error < 1e-5
        assert {"network", "loss", "optimizer", "utilisation"} <= row.more.keys()
    assert found["FT / DFT*, both ours, 7 classes"].ratio > 0
    for name in ("MiB", "PLOP"):
        assert found[f"{name}, 7 classes, PyTorch's convolutions and optimizer"].error < 1e-5


def test_evaluations_count_the_same_pixels():
    assert all(row.error == 0 for row in rows("eval").values())


def test_the_mask_head_is_measured_beside_deeplab_and_decides_alike_by_bands_and_from_whole_masks():
    parts = Parts("tiny", head_options=MASKS)
    bench = Bench(parts, (5, 7), size=64, images=2, device=CPU)
    iteration, decision = benchmark_heads.rows(bench, 64, rounds=1)
    assert iteration.more.keys() == {"time", "memory", "matching"} and iteration.more["memory"] > 1
    assert decision.error < 1e-5


def test_norms_give_the_same_logits():
    assert all(row.error < 1e-5 and row.kept[1] < row.kept[0] for row in rows("norm").values())


def test_tables_leave_out_what_was_not_measured_and_json_has_null(tmp_path, capsys):
    text = table([Row("a", 2.0, 1.0, 2.0, (1.9, 2.1), rate="5 images/s"), Row("b")])
    assert "kept" not in text and "5 images/s" in text and "| b" in text
    assert plain_types([Row("b")])[0]["ratio"] is None
    file = tmp_path / "figures.json"
    benchmark.main(["eval", *SMALL, "--json", str(file)])
    assert "## eval" in capsys.readouterr().out
    assert json.loads(file.read_text())["tables"]["eval"][0]["name"] == "evaluation, 7 classes"


def test_small_tools():
    assert number(float("nan")) == "-" and number(1234.5) == "1234" and number(0.01234) == "0.0123"
    assert distance(torch.tensor([2.0]), torch.tensor([1.0])) == 0.5
    x = torch.ones(1000, requires_grad=True)
    assert kept_bytes(lambda: x.exp().sum()) == 4000
    assert peak_rate(CPU, torch.float32) > 0


def test_a_method_is_measured_at_its_second_step_beside_fine_tuning(tmp_path, capsys):
    bench = Bench(Parts("tiny"), (5, 7), size=64, images=2, device=CPU)
    for name in ("STAR", "RIDGE"):  # with what its own step 0 gathered; without iterations
        before = benchmark_methods.trained(bench, name)
        assert before["method_state"]
        torch.save(before, tmp_path / "step_0.pt")
        benchmark_methods.main([name, str(tmp_path / "step_0.pt"), "tiny", "fp32", *"5 7 64 2 1".split()])
        measured = json.loads(capsys.readouterr().out)
        assert set(measured) == {"ms", "times", "MiB"} and measured["ms"] > 0
        times = measured["times"]
        assert 0 < times["least"] <= times["time"] <= times["most"]


def test_commands_are_measured_in_processes_of_their_own_above_their_imports(tmp_path):
    forms = [f"x = b'1' * {size}" for size in (1, 200 * 2**20)]
    small, large = (benchmark_runs.spent("-c", form, cwd=tmp_path) for form in forms)
    assert small.cpu > 0 and 150 < large.peak - small.peak < 250
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        benchmark_runs.spent("-c", "1 / 0", cwd=tmp_path)
    assert benchmark_runs.spent("-c", "exit(2)", cwd=tmp_path, status=2).peak > 1
    times = [[Spent(10.0, 300.0), Spent(5.0, 150.0)], [Spent(30.0, 200.0), Spent(5.0, 120.0)]]
    made = benchmark_runs.row("a", times, [Spent(1.0, 100.0), Spent(1.0, 90.0)])
    assert made.ratio == 4 and made.spread == (2, 6) and made.peak == (200, 60)
    alone = benchmark_runs.row("a", [[Spent(5.0, 150.0)]], [Spent(1.0, 100.0)])
    assert alone.ours == 5 and alone.ratio != alone.ratio and alone.peak[1] == 50


def test_the_data_of_measured_commands_is_what_it_is_said_to_be(tmp_path):
    large = generated.large_picture(tmp_path / "large", scale=2)
    for file, classes in ((generated.squares(tmp_path / "long", 60, images=1), 60), (large, 150)):
        dataset = build_dataset(str(file), "")
        assert len(dataset.class_names) == classes + 1
        masks = [dataset.read_mask(sample) for sample in dataset.samples("val")]
        assert {int(label) for mask in masks for label in mask.unique()} == set(range(classes + 1))
