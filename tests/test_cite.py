"""Citations: every method, backbone and data set of the program, from one table."""

import re
import tomllib

import pytest
import yaml

from analysis import cite
from config.published import JOINT, read_published
from dataset import DATASETS
from methods import METHODS
from models import BACKBONES
from tests.conftest import ROOT
from tests.result_files import write_run

WITHOUT_PAPER = {"FT", "PROTOTYPES", "LDA", JOINT}


def test_everything_that_runs_or_is_quoted_has_an_entry():
    entries = cite.references()
    topics = {topic for _, about in entries.values() for topic in about}
    methods = {*METHODS, *(one.method for one in read_published())}
    assert {name for name in methods if f"method {name}" not in topics} == WITHOUT_PAPER
    assert {name for name in DATASETS if f"dataset {name}" not in topics} == {"shapes"}
    for name in [*BACKBONES, "timm:vit_small_patch14_dinov2"]:
        assert {topic for topic in cite.backbone_topics(name)} <= topics
        assert any(topic.startswith("backbone") for topic in cite.backbone_topics(name)), name
    for key, (text, _) in entries.items():
        assert text.count("{") == text.count("}") and "about" not in text, key
        assert re.search(r"^  year = \{20\d\d\},$", text, flags=re.MULTILINE), key


def test_a_run_is_cited_with_method_backbone_data_set_and_this_program(tmp_path, capsys):
    write_run(tmp_path / "r", "PLOP+NeST", dataset="voc", backbone="resnet101")
    write_run(tmp_path / "r", "FT", dataset="shapes", backbone="swin_b")
    assert cite.cli([str(tmp_path / "r")]) == 0
    printed = capsys.readouterr().out
    keys = set(re.findall(r"^@\w+\{(.+),", printed, flags=re.MULTILINE))
    assert keys == {"continual_segmentation", "douillard2021plop", "xie2024nest", "he2016resnet",
                    "rotabulo2018inplace", "liu2021swin", "chen2017deeplabv3", "everingham2010voc",
                    "hariharan2011sbd"}  # fmt: skip
    assert "method FT" in printed and "dataset shapes" in printed and "about =" not in printed


def test_without_results_the_cure_is_named(capsys):
    assert cite.cli([]) == 2
    assert "--all" in capsys.readouterr().err
    assert cite.cli(["--all"]) == 0
    assert capsys.readouterr().out.count("\n@") == len(cite.references())


def test_an_entry_about_nothing_is_refused(tmp_path):
    path = tmp_path / "references.bib"
    path.write_text("@misc{someone2020,\n  title = {What},\n}\n")
    with pytest.raises(ValueError, match="someone2020"):
        cite.references(path)


def test_the_citation_file_agrees_with_the_project():
    about = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert about["version"] == project["version"] and about["license"] == "MIT"
    assert about["cff-version"] == "1.2.0" and about["message"] and about["authors"]
