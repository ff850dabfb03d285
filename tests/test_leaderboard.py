"""The leaderboard: published numbers and own runs in one form, and a page that needs nothing else."""

import csv
import json
import re
from xml.etree import ElementTree

import pytest

from analysis.leaderboard import __main__ as leaderboard
from analysis.leaderboard.entries import network, own_entries, published_entries, published_task
from analysis.leaderboard.page import page
from config.published import read_published
from tests.result_files import compared, write_run


@pytest.fixture(scope="module")
def html():
    return page(published_entries())


def data_of(html):
    return json.loads(re.search(r'<script type="application/json" id="data">(.+?)</script>', html)[1])


def test_every_published_number_is_on_the_page_with_its_script_and_its_papers(html):
    data = data_of(html)
    rows = [dict(zip(data["names"], cells, strict=True)) for cells in data["rows"]]
    assert len(rows) == len(read_published())
    (plop,) = [row for row in rows if row["source"] == "PLOP images/plop_voc.png" and row["all"] == 54.64]
    assert plop["command"] == "bash scripts/voc/plop_15-1-overlap.sh" and plop["hiou_computed"]
    assert plop["hiou"] == pytest.approx(2 * 65.12 * 21.11 / (65.12 + 21.11), abs=0.01)
    (dkd,) = [row for row in rows if row["all"] == 73.95]
    assert (dkd["hiou"], dkd["hiou_computed"]) == (67.17, False)
    keys = data["references"]["keys"]
    assert keys["method PLOP"] == ["douillard2021plop"] and "everingham2010voc" in keys["dataset voc"]
    assert {key for found in keys.values() for key in found} == set(data["references"]["entries"])


def test_the_page_is_well_formed_says_every_convention_and_loads_nothing(html):
    tree = ElementTree.fromstring(html.replace("<!DOCTYPE html>", ""))
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", html)
    assert not re.search(r"fetch\(|XMLHttpRequest|import\(|@import|url\(", html)
    told = "".join(tree.itertext())
    for name in ("convention I", "convention X", "evaluation SSUL", "own run"):
        assert name in told
    assert len(html.encode()) < 250_000  # a library for tables alone has as much


def test_own_runs_stand_beside_the_published_ones_in_their_terms(tmp_path):
    results = compared(tmp_path / "results")
    write_run(results, "MiB", steps=(0, 1), dataset="voc")
    write_run(results, "PLOP", dataset="voc", task="15-5s", backbone="resnet101", protocol="mib",
              pretrained_path="there/resnet101_iabn_sync.pth.tar", mem_size=7)  # fmt: skip
    made, unfinished = own_entries([results])
    assert unfinished == 1 and {one.convention for one in made} == {"I", "X"}
    (plop,) = [one for one in made if one.method == "PLOP" and one.convention == "I"]
    assert (plop.task, plop.evaluation, plop.memory) == ("15-1", "MiB", "7")
    assert plop.pretraining == "ImageNet-1K (in-place ABN)" and plop.own and not plop.joint
    (dft,) = [one for one in made if one.method == "DFT*" and one.convention == "I"]
    assert dft.std["all"] > 0 and "2 seeds" in dft.note
    assert any(one.joint and one.method == "joint" for one in made)


def test_networks_with_unlike_heads_are_not_ranked_together():
    names = [network("timm:resnet50", {"head": head}) for head in ("", "deeplab", "mask", "pooled")]
    assert names == ["timm:resnet50", "timm:resnet50", "mask2former:resnet50", "timm:resnet50, pooled head"]


def test_tasks_have_the_names_under_which_they_were_published():
    assert [published_task("voc", task) for task in ("15-5s", "5-3", "15-5s_b")] == ["15-1", "5-3", "15-5s_b"]
    assert published_task("ade", "50") == "50-50" and published_task("mine.yaml", "6-1") == "6-1"


def test_the_program_takes_results_that_are_there_and_writes_both_files(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert leaderboard.cli(["--out", "bare"]) == 0
    compared(tmp_path / "results")
    assert leaderboard.cli([]) == 0
    assert "0 of own runs" in capsys.readouterr().out.splitlines()[0]
    with open("leaderboard/leaderboard.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    own = [line for line in lines if line["own"] == "True"]
    assert len(lines) == len(own) + len(read_published()) and any(line["all_std"] for line in own)
    assert leaderboard.cli(["nowhere"]) == 2
    assert "there is no nowhere" in capsys.readouterr().err
