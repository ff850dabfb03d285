"""Confusion matrix, scores, result files, learning rates."""

import json
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import average_csv
from metrics import cost
from metrics.confusion import ConfusionMatrix
from metrics.filed import read_results
from metrics.published_csv import honest_summary, published_summary, read_rows
from metrics.reported import scores
from metrics.results import write_result
from metrics.scores import class_scores, forgetting, harmonic, intransigence, trainable_percent
from metrics.table import in_one_line, significant, table
from tasks import Step
from tests.builders import make_method
from tests.published_only import spilled
from train import Training, start
from utils.labels import IGNORE
from utils.schedule import poly

DATASET = SimpleNamespace(
    class_names=("background", "cat", "dog", "cow"), has_background=True, one_label=False, skipped=()
)
TASK = Step("pets", "2-1", 0, ((0, 1, 2), (3,)))


def test_counts_are_those_of_a_loop_over_pixels():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 6, (2, 5, 7), generator=generator)
    labels[0, 0] = IGNORE
    predictions = torch.randint(0, 6, (2, 5, 7), generator=generator)
    want = torch.zeros(4, 6, dtype=torch.int64)
    for true, predicted in zip(labels.flatten().tolist(), predictions.flatten().tolist(), strict=True):
        if true < 4:
            want[true, predicted] += 1
    matrix = ConfusionMatrix(4, num_columns=6)
    for image in range(2):
        matrix.update(labels[image : image + 1].to(torch.uint8), predictions[image : image + 1])
    assert torch.equal(matrix.reduce().counts, want)
    assert matrix.images == 2


def test_pixel_won_by_an_untaught_class_costs_its_own_class_only():
    matrix = ConfusionMatrix(2, num_columns=3)
    matrix.update(torch.tensor([[[0, 0, 1, 1]]]), torch.tensor([[[0, 2, 1, 1]]]))
    iou = class_scores(matrix.counts)["iou"]
    assert iou.tolist() == pytest.approx([0.5, 1.0], abs=1e-5)
    assert class_scores(spilled(matrix.counts))["iou"].tolist() != pytest.approx([0.5, 1.0], abs=1e-5)


def test_absent_class_is_left_out_of_the_means_or_counts_as_zero():
    counts = torch.tensor([[4, 0, 0], [0, 4, 0], [0, 0, 0]])
    assert scores(counts, num_base=3)["miou_all"] == pytest.approx(1.0)
    assert scores(counts, num_base=3, absent="zero")["miou_all"] == pytest.approx(2 / 3)
    assert scores(counts, num_base=2)["miou_new"] is None
    assert scores(counts, num_base=2)["harmonic"] is None


def test_a_class_that_is_predicted_but_absent_counts_as_zero_in_the_number_of_other_libraries():
    counts = torch.tensor([[6, 0, 2, 0], [0, 4, 0, 0], [0] * 4, [0] * 4])  # 2 is predicted, 3 is not
    found = scores(counts, num_base=2)
    assert found["miou_all"] == pytest.approx((6 / 8 + 1) / 2, abs=1e-5)
    assert found["miou_all_predicted_counts"] == pytest.approx((6 / 8 + 1 + 0) / 3, abs=1e-5)
    everywhere = torch.tensor([[6, 2], [1, 3]])
    found = scores(everywhere, num_base=1)
    assert found["miou_all_predicted_counts"] == found["miou_all"]
    assert scores(torch.zeros(2, 2, dtype=torch.int64), num_base=1)["miou_all_predicted_counts"] is None


def test_what_untaught_rows_win_is_no_class_of_any_mean():
    counts = torch.tensor([[6, 0, 2], [0, 4, 0]])  # the third column was not taught yet
    found = scores(counts, num_base=1)
    assert found["miou_all_predicted_counts"] == found["miou_all"] == pytest.approx((6 / 8 + 1) / 2, abs=1e-5)


def test_background_is_in_one_mean_and_not_in_the_other():
    counts = torch.tensor([[8, 0, 0], [0, 2, 2], [0, 2, 2]])  # IoU 1, 1/3, 1/3
    with_background = scores(counts, num_base=2)
    assert with_background["miou_all"] == pytest.approx(5 / 9)
    assert with_background["miou_old"] == pytest.approx(2 / 3)
    assert with_background["miou_all_foreground"] == pytest.approx(1 / 3)
    assert with_background["miou_old_foreground"] == pytest.approx(1 / 3)
    assert with_background["miou_new"] == with_background["miou_new_foreground"] == pytest.approx(1 / 3)
    without = scores(counts, num_base=2, has_background=False)
    assert without["miou_all_foreground"] == without["miou_all"]


def test_empty_matrix_gives_no_number_and_no_warning():
    assert set(scores(torch.zeros(3, 3, dtype=torch.int64), num_base=2).values()) == {None}


@given(st.floats(0, 1), st.floats(0, 1))
def test_harmonic_mean_lies_between_zero_and_the_smaller_value_doubled(old, new):
    value = harmonic(old, new)
    assert 0 <= value <= 2 * min(old, new) + 1e-12
    assert harmonic(old, None) is None


def test_forgetting_is_the_best_earlier_iou_minus_the_last():
    steps = [{"a": 0.8, "b": None}, {"a": 0.9, "b": 0.5, "c": 0.4}, {"a": 0.2, "b": 0.6, "c": None, "d": 0.1}]
    lost = forgetting(steps)
    assert lost == {"a": pytest.approx(0.7), "b": pytest.approx(-0.1), "c": None}
    assert forgetting(steps[:1]) == forgetting([]) == {}


def test_intransigence_is_what_joint_training_gains():
    assert intransigence({"a": 0.9, "b": 0.5}, {"a": 0.6, "b": None}) == {"a": pytest.approx(0.3), "b": None}


def test_trainable_percent_is_the_papers_on_both_ends_of_its_range():
    # RevisitingCSS: 19-1 on Swin-B and 50-50 on ResNet-101, parameters of body + head + rows.
    swin, resnet = 86_880_376 + 7_932_928, 42_500_160 + 15_535_104
    assert round(trainable_percent([257], [swin + 257 * 21]), 6) == 0.000271
    full = [resnet + 257 * 101, resnet + 257 * 151]
    assert round(trainable_percent([257 * 100, 257 * 50], full), 6) == 0.033194
    assert trainable_percent([], []) is None


def evaluated(num_seen, accuracy):
    """A matrix in which `accuracy` of 10 of each class's 10 pixels are right, the others class 0."""
    matrix = ConfusionMatrix(num_seen, num_columns=4)
    for label in range(num_seen):
        predictions = torch.zeros(1, 1, 10, dtype=torch.int64)
        predictions[..., : accuracy[label]] = label
        matrix.update(torch.full((1, 1, 10), label), predictions)
    return matrix


def checkpoint(step, **cost):
    config = {"setting": "overlap", "protocol": "plop", "eval": "crop"}
    cost = {"seconds": 10.0, "images_trained": 50, "trainable_parameters": 257} | cost
    return {"method": "Some", "config": config, "versions": {"torch": "2"}, "cost": cost, "step": step}


def run_two_steps(folder):
    write_result(folder, evaluated(3, [10, 8, 6]), TASK, DATASET, checkpoint(0), num_images=3)
    content = checkpoint(1, finetuning_parameters=25700)
    return write_result(folder, evaluated(4, [10, 4, 6, 5]), TASK.at(1), DATASET, content, num_images=4)


def test_result_file_holds_every_number_by_name(tmp_path):
    result = run_two_steps(tmp_path)
    assert result == json.loads((tmp_path / "step_1.json").read_text())
    assert [entry["name"] for entry in result["classes"]] == ["background", "cat", "dog", "cow"]
    assert [entry["step"] for entry in result["classes"]] == [0, 0, 0, 1]
    assert result["columns"] == list(DATASET.class_names)
    assert [len(row) for row in result["confusion"]] == [4] * 4
    assert result["classes"][1]["forgetting"] == pytest.approx(0.4, abs=1e-6)
    assert result["classes"][3]["forgetting"] is None
    first = json.loads((tmp_path / "step_0.json").read_text())
    both = (first["scores"]["miou_all"], result["scores"]["miou_all"])
    assert result["over_steps"]["average_miou"] == pytest.approx(sum(both) / 2)
    assert result["over_steps"]["mean_forgetting"] == pytest.approx(
        sum(entry["forgetting"] for entry in result["classes"][:3]) / 3
    )
    assert result["over_steps"]["trainable_percent"] == pytest.approx(1.0)
    assert result["cost"]["images_per_second"] == 5.0
    assert first["over_steps"]["trainable_percent"] is None


def test_csv_of_a_run_is_the_published_format_in_learning_order(tmp_path):
    run_two_steps(tmp_path)
    rows = read_rows((tmp_path / "results.csv").read_text().splitlines())
    assert [row[0] for row in rows] == ["0", "1"]
    assert rows[0][4] == "x"
    results = read_results(tmp_path)
    assert [float(cell) for cell in rows[1][1:-1]] == [entry["iou"] for entry in results[1]["classes"]]
    assert float(rows[1][-1]) == results[1]["scores"]["miou_all"]


def test_testing_a_step_again_replaces_its_row(tmp_path):
    run_two_steps(tmp_path)
    before = (tmp_path / "results.csv").read_text()
    run_two_steps(tmp_path)
    assert (tmp_path / "results.csv").read_text() == before


def test_failed_write_leaves_the_old_result(tmp_path, monkeypatch):
    run_two_steps(tmp_path)
    before = (tmp_path / "step_1.json").read_text()

    def full(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="disk full"):
        write_result(tmp_path, evaluated(4, [1] * 4), TASK.at(1), DATASET, checkpoint(1), num_images=4)
    assert (tmp_path / "step_1.json").read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.csv", "step_0.json", "step_1.json"]


def test_lost_test_images_are_not_reported_as_a_result(tmp_path):
    with pytest.raises(ValueError, match="3 test images were counted instead of 4"):
        write_result(tmp_path, evaluated(3, [1, 1, 1]), TASK, DATASET, checkpoint(0), num_images=4)
    assert read_results(tmp_path) == []


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 99}'])
def test_foreign_result_file_is_named(tmp_path, text):
    (tmp_path / "step_0.json").write_text(text)
    with pytest.raises(ValueError, match="step_0.json"):
        read_results(tmp_path)


def test_table_shows_each_step_and_what_its_numbers_mean(tmp_path):
    run_two_steps(tmp_path)
    lines = table(read_results(tmp_path)).splitlines()
    assert lines[0] == "Some, pets 2-1, overlap, protocol plop"
    assert lines[1].split()[:5] == ["step", "classes", "all+bg", "old+bg", "new"]
    assert lines[2].split()[0] == "0" and lines[2].split()[4] == "-"
    assert lines[3].split()[0] == "1" and "-" not in lines[3].split()
    assert "background counts as an old class" in lines[4] and " 1 % of full" in lines[4]
    assert table([]) == "no results yet"


def test_average_csv_counts_absent_classes_as_published_and_says_what_they_hide(tmp_path, capsys):
    lines = ["0,0.5,0.5,x,0.5", "1,0.5,X,0.25,0.375"]
    assert published_summary(read_rows(lines))[3:] == ["Mean IoU first 25.0", "Mean IoU last 25.0"]
    honest = honest_summary(read_rows(lines))
    assert "Mean over 1 present classes, first: 50.0" in honest
    assert "Mean over 0 present classes, first without class 0: -" in honest
    path = tmp_path / "results.csv"
    path.write_text("\n".join(lines))
    assert average_csv.main([str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[:5] == published_summary(read_rows(lines))


@pytest.mark.parametrize("text", ["", "0,0.5,0.5\n1,0.5\n", "0,?,0.5\n", "step,a,b\n"])
def test_damaged_table_is_one_line_and_status_2(tmp_path, capsys, text):
    path = tmp_path / "results.csv"
    path.write_text(text)
    assert average_csv.main([str(path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert average_csv.main([str(tmp_path / "none.csv")]) == 2


def test_poly_ends_at_zero_and_stays_there():
    factor = poly(4)
    assert factor(0) == 1.0
    assert factor(2) == pytest.approx(0.5**0.9)
    assert factor(4) == factor(5) == 0.0


def test_warm_up_rises_before_it_falls():
    factor = poly(100, warmup=0.2)
    rates = [factor(iteration) for iteration in range(100)]
    assert rates[0] == pytest.approx(1e-3)
    assert rates.index(max(rates)) == 20
    assert rates[20:] == [poly(100)(iteration) for iteration in range(20, 100)]


def test_the_trainer_warms_up_and_keeps_to_the_floor_of_a_group():
    method = make_method("FT", 0)
    groups = method.param_groups(0.01, 0.0)
    method.param_groups = lambda lr, weight_decay: [groups[0] | {"min_lr": 0.004}]
    progress = start(method, Training(2, 0.01, lr_warmup=0.5), batches=5, device=torch.device("cpu"))
    low = [0.004] * 3
    rates = [*low, *(0.01 * poly(10, warmup=0.5)(k) for k in (3, 4, 5, 6)), *low]
    for rate in rates:
        assert progress.scheduler.get_last_lr() == [pytest.approx(rate)]
        progress.optimizer.step()
        progress.scheduler.step()


def test_a_schedule_with_a_floor_falls_to_it_and_stays_there():
    factor = poly(4, lr=0.01, min_lr=0.005)
    assert [factor(iteration) for iteration in range(5)] == [1.0, *map(poly(4), (1, 2)), 0.5, 0.5]
    assert poly(4, lr=1e-6, min_lr=1e-6)(3) == 1.0 and poly(4, lr=0.0, min_lr=1e-6)(4) == 0.0


@pytest.mark.parametrize("arguments", [{"iterations": 0}, {"iterations": 5, "warmup": 1.0}])
def test_impossible_schedule_is_refused(arguments):
    with pytest.raises(ValueError):
        poly(**arguments)


def test_a_step_in_one_line_says_what_was_kept_learned_and_spent_and_what_background_counts_as(tmp_path):
    run_two_steps(tmp_path)
    first, last = read_results(tmp_path)
    assert in_one_line(first).startswith("Some 2-1 step 0 of 1: mIoU old+bg ")
    assert " new " not in in_one_line(first)
    assert " new " in in_one_line(last) and "forgetting" in in_one_line(last)
    last["cost"] |= {"seconds": 30.2, "calls": 3}
    assert in_one_line(last).endswith("30 s of training over 3 calls")
    assert "seconds: of training, over 4 calls" in table([first, last])


@pytest.mark.parametrize(
    ("value", "words"), [(100.0, "100"), (100.4, "100"), (12.345, "12.3"), (0.002809, "0.00281")]
)
def test_shares_have_three_digits_that_say_something(value, words):
    assert significant(value) == words


def test_a_clock_goes_on_where_an_interrupted_call_had_saved(monkeypatch):
    now = [50.0]
    monkeypatch.setattr(cost.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(cost.time, "process_time", lambda: now[0] / 2)
    monkeypatch.setattr(cost, "peak_memory", lambda: 7)
    first = cost.Clock()
    now[0] = 60.0
    saved = first.state_dict() | {"peak_memory_bytes": 900}
    now[0] = 70.0
    second = cost.Clock()
    second.load_state_dict(saved)
    now[0] = 75.0
    spent = {"seconds": 15.0, "cpu_seconds": 7.5, "calls": 2, "peak_memory_bytes": 900}
    assert second.state_dict() == spent
