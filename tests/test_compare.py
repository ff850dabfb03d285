"""One table over methods and seeds."""

import re

import pytest

from scripts import compare
from scripts.side_by_side import Job, run_jobs
from tests.conftest import SMALL


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "3"])
def test_methods_share_step_0_and_appear_in_one_table_that_grows(small_data, tmp_path, capfd, jobs):
    words = ["--methods", "FT", "mib", "joint", "--seeds", "42", "--out", str(tmp_path / "out")]
    words += ["--jobs", jobs, "--", "--dataset", str(small_data), "--task", "4-1", *SMALL]
    assert compare.main(words) == 0
    shown = capfd.readouterr().out
    assert ("epoch 1/1: ce" in shown) == (jobs == "1")  # several runs at once are not mixed
    assert "step 0 is that of FT" in (tmp_path / "out/output/MiB_42.log").read_text()
    assert shown.count("| method |") == 3 and "2 of 3 runs left" in shown and "0 of 3 runs left" in shown
    rows = [line.split(" | ") for line in (tmp_path / "out/table.md").read_text().splitlines()]
    assert [row[0].strip("| ") for row in rows] == ["method", "---", "FT", "MiB", "joint"]
    cells = [cell.strip(" |") for row in rows[2:] for cell in row[1:]]
    assert cells.pop(15) == "-"  # after one step nothing is forgotten
    assert all(re.fullmatch(r"-?\d+\.\d", cell) for cell in cells)


def make_job(folder, name, *words, **options):
    return Job(name, list(words), folder / f"{name}.log", **options)


@pytest.mark.slow
def test_jobs_run_in_order_fail_alone_and_keep_what_they_say(tmp_path):
    jobs = [make_job(tmp_path, "good", "--explain"), make_job(tmp_path, "bad", "--nonsense"),
            make_job(tmp_path, "last", "--explain")]  # fmt: skip
    said = []
    ended = list(run_jobs(jobs, at_once=1, say=said.append))
    assert [job.name for job in ended] == ["good", "bad", "last"]
    assert [job.process.exitcode for job in ended] == [0, 2, 0]
    assert "unknown flag '--nonsense'" in (tmp_path / "bad.log").read_text()
    assert said[0] == f"== good: {tmp_path / 'good.log'}" and any("batch_size" in words for words in said)


def test_a_job_waits_for_the_step_0_of_another_and_lets_others_pass(tmp_path):
    first = make_job(tmp_path, "first", "--explain")
    follower = make_job(tmp_path, "follower", "--explain", after=first, there=lambda: False)
    free = make_job(tmp_path, "free", "--explain")
    assert not follower.ready and free.ready
    said = []
    assert len(list(run_jobs([first, follower, free], at_once=2, say=said.append))) == 3
    assert [words.split(":")[0] for words in said] == ["== first", "== free", "== follower"]
    assert make_job(tmp_path, "x", after=make_job(tmp_path, "y"), there=lambda: True).ready


def test_runs_that_train_one_step_0_wait_for_the_first_of_them(tmp_path):
    planned = []
    for name in ("FT", "DFT*", "MiB", "joint"):
        for seed in (1, 2):
            planned.append(compare.job(tmp_path, name, seed, [], planned))
    after = {job.name: job.after and job.after.name for job in planned}
    assert after.pop("MiB, seed 1") == "FT, seed 1" and after.pop("MiB, seed 2") == "FT, seed 2"
    shared = {"DFT*, seed 1", "DFT*, seed 2"} if compare.step0_as(compare.METHODS["DFT*"]) == "FT" else set()
    assert {name for name, first in after.items() if first} == shared


def test_joint_training_alone_has_no_old_and_new_classes_yet():
    classes = [{"label": 0, "step": 0, "iou": 0.5}]
    result = {"classes": classes, "cost": {"seconds": 2.0, "peak_memory_bytes": 3e6}, "has_background": False}
    result["scores"] = {}
    lines = compare.table({"joint": [[result | {"over_steps": {"mean_forgetting": None}}]]}).splitlines()
    assert lines[0].startswith("| method | all | old | new |")
    assert lines[2].startswith("| joint | 50.0 | - | - |")


def test_an_unknown_method_is_named_before_anything_runs(tmp_path, capfd):
    assert compare.main(["--methods", "FT", "MBI", "--out", str(tmp_path / "out")]) == 2
    assert "did you mean MiB" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_several_seeds_give_mean_and_standard_deviation():
    def run(iou: float) -> list[dict]:
        classes = [{"label": 0, "step": 0, "iou": 0.5}, {"label": 3, "step": 1, "iou": iou}]
        cost = {"seconds": 2.0, "peak_memory_bytes": 3e6}
        return [
            {"classes": classes[:1], "cost": cost},
            {"classes": classes, "cost": cost, "over_steps": {"mean_forgetting": 0.1}, "has_background": True,
             "scores": {}}
        ]  # fmt: skip

    first, _, last = compare.table({"FT": [run(0.1), run(0.3)]}).splitlines()
    assert first == "| method | all+bg | old+bg | new | forgetting | s / step | peak MB |"
    assert last == "| FT | 35.0 +- 7.1 | 50.0 +- 0.0 | 20.0 +- 14.1 | 10.0 +- 0.0 | 2.0 +- 0.0 | 3.0 +- 0.0 |"
