"""The methods of methods/README.md, taken from that page."""

import re

import pytest
import torch

from experiment import checkpoint
from methods import METHODS
from methods.build import step0_as
from tests.builders import make_images, make_labels, make_method
from tests.conftest import ROOT
from tests.test_contract import Stopped, run_step
from tests.test_resume import compare

PAGE = (ROOT / "methods" / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def example(monkeypatch):
    """`example(name)` registers the method that the page shows, and returns its source."""

    def register(name: str) -> str:
        source = re.search(rf'```python\n("""{name}: .*?)```', PAGE, re.DOTALL).group(1)
        namespace = {"__name__": name.lower()}
        exec(compile(source, "methods/README.md", "exec"), namespace)  # noqa: S102
        monkeypatch.setitem(METHODS, name, namespace[name])
        return source

    return register


def test_the_documented_example_is_a_complete_method(cli, example):
    assert len(example("FeatureKD").splitlines()) <= 30
    method = make_method("FeatureKD", 1, feature_weight=2.0)
    losses = method.losses(make_images(), make_labels(method.step, "mixed"))
    assert losses.keys() == {"ce", "feature_kd"}
    status, out, err = cli("--method", "featurekd", "--feature_weight", "0.5", "--step", "0", "1")
    assert status == 0, err
    assert "FeatureKD" in out


@pytest.mark.parametrize("index", [0, 1])
def test_the_documented_state_survives_an_interruption_bit_for_bit(tmp_path, example, index):
    example("AveragedWeights")
    whole = run_step("AveragedWeights", index, tmp_path / "whole.pt")
    with pytest.raises(Stopped):
        run_step("AveragedWeights", index, tmp_path / "step.pt", stop_after=3)
    assert checkpoint.load(tmp_path / "step.pt")["method_state"]["average"]
    resumed = run_step("AveragedWeights", index, tmp_path / "step.pt")
    for one, other in zip(whole, resumed, strict=True):
        assert checkpoint.checksum(one) == checkpoint.checksum(other)


def test_a_documented_decay_of_0_leaves_the_last_weights_and_of_1_the_first(tmp_path, example, monkeypatch):
    example("AveragedWeights")
    assert step0_as(METHODS["AveragedWeights"]) == "AveragedWeights"
    left = {}
    for decay in (0.0, 0.9, 1.0):
        monkeypatch.setattr(METHODS["AveragedWeights"], "decay", decay)
        left[decay] = run_step("AveragedWeights", 0, tmp_path / "step.pt")[0]
    last = run_step("FT", 0, tmp_path / "step.pt")[0]
    assert checkpoint.checksum(left[0.0]) == checkpoint.checksum(last) != checkpoint.checksum(left[0.9])
    for name, value in make_method("AveragedWeights", 0).net.named_parameters():
        assert torch.equal(left[1.0][name], value), name


@pytest.mark.slow
def test_the_documented_state_survives_a_kill_and_the_same_command(cli, tmp_path, monkeypatch, example):
    example("AveragedWeights")
    compare(cli, tmp_path, monkeypatch, "AveragedWeights", "inside an epoch")
