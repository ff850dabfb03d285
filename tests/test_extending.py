"""The examples of EXTENDING.md, taken from that page, added as it says, and run together."""

import importlib
import json
import re
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from analysis.report.__main__ import cli as report
from dataset import DATASETS, first_task
from experiment.events import read_events
from metrics.filed import read_results
from metrics.reported import METRICS, Metric
from models import BACKBONES, build_backbone
from modules.heads import HEADS
from scripts.comparison_table import table as comparison
from tests.conftest import ROOT, SMALL
from tests.result_files import write_run

PAGE = (ROOT / "EXTENDING.md").read_text(encoding="utf-8")
TABLES = {"METRICS": METRICS, "HEADS": HEADS, "BACKBONES": BACKBONES, "DATASETS": DATASETS}
FOLDER = "greenhouse_2-1_overlap/FT_pyramid_s_pointwise"


@pytest.fixture
def extended(monkeypatch):
    """Every file of the page as a module, and every `+` line of its diffs where it says."""
    for path, source in re.findall(r"`(\w+/\w+\.py)`:\n\n```python\n(.*?)```", PAGE, re.DOTALL):
        name = path.removesuffix(".py").replace("/", ".")
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
        exec(compile(source, path, "exec"), vars(sys.modules[name]))  # noqa: S102
    for path, body in re.findall(r"```diff\n # (\S+)\.py\n(.*?)```", PAGE, re.DOTALL):
        before, _, after = re.split(r"^ (\w+)(?:: .*)? = (?:Registry\(\n +)?\{\n", body, flags=re.MULTILINE)
        target = importlib.import_module(path.replace("/", ".").removesuffix(".__init__"))
        namespace = dict(vars(importlib.import_module("metrics.scores")), **vars(target))
        exec(added(before), namespace)  # noqa: S102
        for key, value in eval("{" + added(after) + "}", namespace).items():  # noqa: S307
            table = re.search(r"^ (\w+).* = (?:Registry\(|\{)", body, re.MULTILINE)[1]
            monkeypatch.setitem(TABLES[table], key, value)


def added(lines: str) -> str:
    """The lines that a diff adds."""
    return "\n".join(line[1:] for line in lines.splitlines() if line.startswith("+"))


@pytest.fixture
def plants(tmp_path):
    """A folder of the documented data set: 12 + 4 photos of 36 pixels, each of one class."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 4)):
        (tmp_path / "plants" / split).mkdir(parents=True)
        for number in range(count):
            mask = np.zeros((36, 36), np.uint8)
            mask[8:28, 8:28] = 1 + number % 3
            photo = 60 * mask[:, :, None] + rng.integers(60, size=(36, 36, 3), dtype=np.uint8)
            Image.fromarray(photo).save(tmp_path / "plants" / split / f"{number}.jpg")
            Image.fromarray(mask).save(tmp_path / "plants" / split / f"{number}.png")
    return tmp_path / "plants"


def test_one_run_has_all_that_the_page_adds(extended, plants, cli, tmp_path):
    size = SMALL[: SMALL.index("--backbone")]
    words = ["--dataset", "Greenhouse", "--data_root", plants, "--backbone", "pyramid_s"]
    status, out, err = cli(*words, "--head", "Pointwise", *size, defaults=False)
    assert status == 0, err
    assert "FT 2-1 step 1 of 1" in out  # the task of the data set, since nobody said another

    # The metric: JSON with unit and direction, table, TensorBoard, report, its CSV files, comparisons.
    results = read_results(tmp_path / "results" / FOLDER)
    dice, last = [result["scores"]["mean_dice"] for result in results], results[-1]
    iou = [entry["iou"] for entry in last["classes"]]
    assert dice[-1] == pytest.approx(np.mean([2 * one / (1 + one) for one in iou])) and 0 < dice[-1] < 1
    assert last["metrics"]["mean_dice"] == {"unit": "share", "higher_is_better": True}
    heads, *rows = [line.split() for line in out[out.index("step  classes") :].splitlines()[:3]]
    assert [row[heads.index("dice")] for row in rows] == [f"{100 * one:.2f}" for one in dice]
    events = {tag: value for tag, _, value in read_events(tmp_path / "logs" / FOLDER / "step_1")}
    assert events["test/mean_dice"] == pytest.approx(dice[-1])
    assert report([str(tmp_path / "results"), "--out", str(tmp_path / "report")]) == 0
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "dice, % (higher is better)" in page and f"{100 * dice[-1]:.1f}" in page
    assert "mean_dice" in (tmp_path / "report" / "runs.csv").read_text().splitlines()[0]
    assert ",mean_dice," in (tmp_path / "report" / "results.csv").read_text()
    assert comparison({"FT": [results]}).splitlines()[0].endswith("| dice |")

    # Head, its wish, backbone and data set: known from the configuration of every result.
    wanted = {"dataset": "greenhouse", "backbone": "pyramid_s", "head": "pointwise", "weight_decay": 1e-3}
    assert wanted.items() <= last["config"].items()


def test_a_documented_family_has_a_stride_sizes_and_weights(extended, tmp_path):
    small, large = build_backbone("pyramid_s", output_stride=8), build_backbone("PYRAMID_L")
    images = torch.zeros(1, 3, 32, 32)
    assert small(images)[0].shape == (1, 64, 4, 4) and large(images)[0].shape == (1, 256, 2, 2)
    torch.save(small.state_dict(), tmp_path / "weights.pth")
    small.load_pretrained(str(tmp_path / "weights.pth"))
    with pytest.raises(ValueError, match="is not a file for this network"):
        large.load_pretrained(str(tmp_path / "weights.pth"))


def test_a_data_set_without_tasks_is_told_what_to_add(extended, monkeypatch):
    assert first_task("greenhouse") == "2-1"
    monkeypatch.setattr(DATASETS["greenhouse"], "tasks", ())
    with pytest.raises(ValueError, match=r'names no tasks: .*--task.*`tasks = \("6-1",\)`'):
        first_task("greenhouse")


def test_a_metric_of_any_section_has_its_unit_and_direction_where_tables_stand(tmp_path, monkeypatch):
    monkeypatch.setitem(METRICS, "steps_so_far", Metric(len, "over_steps", "steps", False, "so far"))
    joules = Metric(lambda cost: 7 * cost["images"], "cost", "J", False, "energy")
    monkeypatch.setitem(METRICS, "joules", joules)
    for method, right in (("FT", 0.3), ("MiB", 0.5)):
        write_run(tmp_path / "results", method, right=right)
    assert report([str(tmp_path / "results"), "--out", str(tmp_path / "report")]) == 0
    page = (tmp_path / "report" / "results.md").read_text(encoding="utf-8")
    assert "| so far, steps (lower is better) | energy, J (lower is better) |" in page
    assert "| 3 | 70 |" in page
    (path, *_) = (tmp_path / "results").rglob("step_2.json")
    content = json.loads(path.read_text())
    assert content["over_steps"]["steps_so_far"] == 3 and content["cost"]["joules"] == 70


def test_results_from_before_a_metric_show_a_dash(tmp_path, monkeypatch):
    folder = write_run(tmp_path / "results", "FT")
    monkeypatch.setitem(METRICS, "late", Metric(lambda counted: 0.5, column="late"))
    assert comparison({"FT": [read_results(folder)]}).splitlines()[-1].endswith("| - |")
