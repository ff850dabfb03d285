"""The demo on real photographs: what it runs, and the table of what was measured."""

import json
from dataclasses import replace

import pytest

import argparser
from config import build
from config.flags import DEFAULTS
from scripts import photos

WORDS = ["--dataset", "data/camvid.yaml", "--backbone", "tiny", "--recipe", "none"]


ONE_SEED = photos.Series("6-5", ("FT", "MiB", photos.JOINT), (42,))


def planned(plan, out):
    return photos.planned(plan, out, WORDS)


def test_every_run_is_another_and_waits_for_the_step_0_that_it_shares(tmp_path):
    jobs = [job for _, job in planned(photos.LONG, tmp_path)]
    assert len({job.files.results for job in jobs}) == len({job.log for job in jobs}) == len(jobs)
    named = {job.name.rpartition(":")[0]: job for job in jobs}
    start = "CamVid 6-5, pre-trained on ImageNet, "
    for name in ("DFT*", "MiB", "PLOP"):
        assert named[f"{start}{name}, seed 42"].after is named[f"{start}FT, seed 42"]
    assert named["CamVid 6-1, pre-trained on ImageNet, FT, seed 42"].after is named[f"{start}FT, seed 42"]
    assert (
        named["CamVid 6-5, from scratch, MiB, seed 42"].after
        is named["CamVid 6-5, from scratch, FT, seed 42"]
    )
    assert named[f"{start}DFT*, seed 2"].after is named[f"{start}FT, seed 2"]
    assert named[f"{start}FT, seed 1"].after is None and named[f"{start}joint, seed 42"].after is None


@pytest.mark.parametrize("plan", [photos.LONG, photos.SHORT], ids=["long", "short"])
def test_every_run_has_values_for_the_steps_that_it_has(tmp_path, plan):
    for _, job in planned(plan, tmp_path):
        config = argparser.parse(job.arguments)
        build.check_values(config, {"6-5": 2, "6-1": 6, "offline": 1}[config.task])
        assert tuple(config.epochs) == (plan.epochs[:1] if config.task == "offline" else plan.epochs)


def test_the_short_version_fits_into_15_minutes_on_two_cores(tmp_path):
    words = [job.name.split("about ")[1] for _, job in planned(photos.SHORT, tmp_path)]
    assert sum(int(text.split()[0]) for text in words) / 2 < 10  # the analyses take the rest


def result(method, step, ious, *, taught, num_steps=2):
    names = ("background", "road", "car")
    classes = [
        {"name": name, "label": label, "step": at, "iou": iou}
        for label, (name, at, iou) in enumerate(zip(names, taught, ious, strict=False))
    ]
    return {
        "schema": 1, "method": method, "step": step, "num_steps": num_steps, "has_background": True,
        "classes": classes, "cost": {"cpu_seconds": 90.0},
        "over_steps": {"mean_forgetting": 0.1 if step else None, "trainable_percent": 0.02 if step else None},
    }  # fmt: skip


def test_the_table_says_what_is_finished_with_and_without_background(tmp_path):
    jobs = planned(replace(photos.LONG, series=(ONE_SEED,)), tmp_path)
    found = {
        "FT": [
            result("FT", 0, (0.5, 0.9), taught=(0, 0)),
            result("FT", 1, (0.2, 0.4, 0.6), taught=(0, 0, 1)),
        ],
        "MiB": [result("MiB", 0, (0.5, 0.9), taught=(0, 0))],
        "joint": [result("FT", 0, (0.6, 0.9, 0.8), taught=(0, 0, 0), num_steps=1)],
    }
    for _, job in jobs:
        for one in found.get(job.row[0], []):
            job.files.results.mkdir(parents=True, exist_ok=True)
            (job.files.results / f"step_{one['step']}.json").write_text(json.dumps(one))
    title, _, heads, _, *rows = photos.tables(jobs).splitlines()
    assert title == "CamVid 6-5, pre-trained on ImageNet" and "CPU min later" in heads
    assert rows == [
        "| FT | 40.0 | 60.0 | 50.0 | 40.0 | 10.0 | 1.5 | 0.020 |",
        "| joint | 90.0 | 80.0 | 85.0 | 76.7 | - | - | - |",
    ]  # of MiB a step is missing


def test_mistakes_get_one_line(capsys):
    assert photos.main(["--data_root", "x", "--jobs", "0"]) == 2
    assert "--jobs must be at least 1" in capsys.readouterr().err
    assert DEFAULTS["seed"] == 42  # runs of this seed have no seed in their names
