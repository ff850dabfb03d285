"""The table of backbones."""

import pytest

from models import BACKBONES
from models.__main__ import facts, main


def test_every_backbone_is_listed_with_what_it_costs(capsys):
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == list(BACKBONES)
    assert "parameters" in lines[0] and lines[-1].startswith("timm:<name>")


def test_resnet101_has_the_published_size_and_stride():
    row = facts("resnet101", size=64)
    assert (row["parameters"], row["stride"], row["channels"]) == (42_500_160, 16, 2048)
    assert row["GFLOPs"] == pytest.approx(facts("resnet101", size=128)["GFLOPs"] / 4)


def test_a_wrong_name_is_answered_in_one_line(capsys):
    assert main(["resnet_101"]) == 2
    assert "did you mean resnet101" in capsys.readouterr().err
