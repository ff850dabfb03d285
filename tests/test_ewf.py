"""EWF: what is averaged with what, and what the next step gets."""

import copy

import pytest
import torch

from methods import METHODS
from methods.build import step0_as
from tests.builders import SilentLog, TinyLoader, make_method
from train import Training, fit
from utils.weights import fuse, share_of_new

HOSTS = pytest.mark.parametrize("name", [name for name in METHODS if name.endswith("+EWF")])


def trained(name, index=1, **hyper):
    """A method after the epochs of a step, and the state dict that it began with."""
    method = make_method(name, index, **hyper)
    before = copy.deepcopy(method.before) or {}
    if index > 0:
        method.start_increment(TinyLoader(method.step))
    training = Training(epochs=1, lr=0.01)
    fit(method, TinyLoader(method.step), training, device=torch.device("cpu"), log=SilentLog())
    return method, before


@HOSTS
def test_old_weights_and_statistics_are_averaged_and_new_classifiers_stay(name):
    method, before = trained(name)
    after = copy.deepcopy(method.net.state_dict())
    method.end_increment(None)
    weight, fused = share_of_new(3, 1), method.net.state_dict()
    assert weight == 0.5
    for key, value in after.items():
        want = (before[key] + value) / 2 if key in before else value
        torch.testing.assert_close(fused[key], want, msg=key)
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    assert "cls.0.bias" in moved
    assert any("running_var" in key for key in moved) == (name != "DKD+EWF")  # its norms are frozen
    assert all(torch.equal(fused[key], before[key]) for key in before.keys() - moved)


@HOSTS
def test_step_0_stays_as_the_host_trains_it(name):
    method, _ = trained(name, index=0)
    after = copy.deepcopy(method.net.state_dict())
    method.end_increment(None)
    assert all(torch.equal(value, after[key]) for key, value in method.net.state_dict().items())
    assert step0_as(METHODS[name]) == step0_as(METHODS[name.removesuffix("+EWF")])


def test_what_is_fused_with_is_the_file_not_the_network_as_mib_initialised_it():
    method = make_method("MiB+EWF", 1)
    background = method.net.cls[0].bias[0].item()
    method.start_increment(TinyLoader(method.step))
    shifted = method.net.cls[0].bias[0].item()
    method.end_increment(None)
    assert shifted < background
    assert method.net.cls[0].bias[0].item() == pytest.approx((background + shifted) / 2)


def test_equal_entries_stay_bit_identical_and_counters_are_not_averaged():
    value = torch.rand(1000)
    old = {"weight": value, "batches": torch.tensor(3)}
    for weight in (0.1, 0.5, 0.9):
        fused = fuse(old, {"weight": value.clone(), "batches": torch.tensor(8)}, weight)
        assert torch.equal(fused["weight"], value) and fused["batches"] == 8


def test_a_share_fuses_what_moved_most_and_leaves_the_rest_new():
    old = {"a": torch.zeros(3), "b": torch.zeros(1)}
    new = {"a": torch.tensor([1.0, -4.0, 2.0]), "b": torch.tensor([3.0]), "c": torch.tensor([9.0])}
    fused = fuse(old, new, 0.5, share=0.5)
    assert {key: value.tolist() for key, value in fused.items()} == {"a": [1, -2, 2], "b": [1.5], "c": [9]}
    assert fuse(old, new, 0.5, share=0.1)["a"].equal(new["a"])  # less than one entry


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_an_impossible_share_is_refused(share):
    with pytest.raises(ValueError, match="--fuse_share"):
        make_method("MiB+EWF", 0, fuse_share=share)


def test_tasks_without_new_classes_are_refused():
    by_domain = type(make_method("FT", 1).step)("cities", "1-1", 1, ((0, 1),) * 3)
    with pytest.raises(ValueError, match="new classes"):
        METHODS["PLOP+EWF"](by_domain)
