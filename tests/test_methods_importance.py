"""EWC, PI and RW: the penalty, its statistics, and what goes from step to step."""

import copy
import logging

import pytest
import torch

from methods.importance import scaled
from tests.builders import TinyLoader, make_images, make_labels, make_method
from train import Training, optimizer_step, start

CPU = torch.device("cpu")
penalised = pytest.mark.parametrize("name", ["EWC", "PI", "RW"])


def iterate(method, progress, seed):
    """One optimizer step on generated images; the losses before it."""
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    losses = method.losses(images, make_labels(method.step, "mixed"))
    sum(losses.values()).backward()
    optimizer_step(method, progress)
    return {name: value.detach() for name, value in losses.items()}


def trained(name, index, *, state=None, net=None, iterations=3, **hyper):
    """A method after some iterations of step `index` and `end_increment`."""
    method = make_method(name, index, **hyper)
    if net is not None:
        method.load_previous(net)
        method.load_state_dict(state)
        method.start_increment(TinyLoader(method.step))
    progress = start(method, Training(epochs=1, lr=0.001), batches=20, device=CPU)
    for seed in range(iterations):
        iterate(method, progress, seed)
    method.end_increment(None)
    return method


def second_step(name, **hyper):
    """A method at step 1 that follows its own step 0."""
    first = trained(name, 0, **hyper)
    method = make_method(name, 1, **hyper)
    method.load_previous(first.net.state_dict())
    method.load_state_dict(copy.deepcopy(first.state_dict()))
    method.start_increment(TinyLoader(method.step))
    return method


@penalised
def test_gradient_of_the_penalty_is_that_of_its_formula(name):
    method = second_step(name, reg_importance=3.0)
    method.net.double()
    with torch.no_grad():
        for parameter in method.net.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    losses = method.losses(make_images().double(), make_labels(method.step, "mixed"))
    sum(losses.values()).backward()
    before = {key: p.grad.clone() for key, p in method.net.named_parameters()}
    method.after_backward()
    added = {key: p.grad - before[key] for key, p in method.net.named_parameters()}

    method.net.zero_grad()
    stored = [{key: value.double() for key, value in method.previous[part].items()} for part in method.weighs]
    total = 0.0
    for key, parameter in method.net.named_parameters():
        if key in method.anchor:
            weight = sum((s[key] - s[key].min()) / (s[key].max() - s[key].min() + 1e-8) for s in stored)
            total = total + 3.0 * (weight * (parameter - method.anchor[key]).square()).sum()
    total.backward()
    torch.testing.assert_close(losses["penalty"], total.detach())
    for key, parameter in method.net.named_parameters():
        if key.startswith("cls.1"):
            assert parameter.grad is None and added[key].eq(0).all(), f"{key} is new and must be free"
        else:
            torch.testing.assert_close(added[key], parameter.grad)


@penalised
def test_statistics_are_of_the_task_gradient_alone(name):
    light, heavy = (second_step(name, reg_importance=weight) for weight in (0.0, 1000.0))
    for method in (light, heavy):
        with torch.no_grad():
            for seed, parameter in enumerate(method.net.parameters()):
                parameter.add_(
                    0.01 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))
                )
        sum(method.losses(make_images(), make_labels(method.step, "mixed")).values()).backward()
        method.after_backward()
    assert any(
        not torch.equal(a.grad, b.grad)
        for a, b in zip(light.net.parameters(), heavy.net.parameters(), strict=True)
    )
    for key in light.running:
        for name_, value in light.running[key].items():
            assert torch.equal(value, heavy.running[key][name_])


@penalised
def test_penalty_is_zero_at_the_old_weights_and_holds_them(name):
    method = second_step(name)
    assert method.losses(make_images(), make_labels(method.step, "mixed"))["penalty"] == 0
    assert "penalty" not in make_method(name, 0).losses(
        make_images(), make_labels(method.step.at(0), "mixed")
    )

    def penalty(importance):
        method = second_step(name, reg_importance=importance)
        progress = start(method, Training(epochs=1, lr=0.001), batches=20, device=CPU)
        for seed in range(4):
            iterate(method, progress, seed)
        return method.penalty()

    assert penalty(100.0) < penalty(0.0)


@penalised
def test_frozen_parameters_are_left_alone(name):
    method = second_step(name)
    method.net.freeze(method.net.body)
    sum(method.losses(make_images(), make_labels(method.step, "mixed")).values()).backward()
    method.after_backward()
    assert all(parameter.grad is None for parameter in method.net.body.parameters())
    method.end_increment(None)
    assert not any(key.startswith("body") for key in method.state_dict()["finished"][method.weighs[0]])


@penalised
def test_a_step_without_statistics_says_so_and_is_fine_tuning(name, caplog):
    method = make_method(name, 1)
    method.load_state_dict({})  # what another method's step 0 leaves
    with caplog.at_level(logging.WARNING):
        method.start_increment(TinyLoader(method.step))
    assert len(caplog.records) == 1 and "no penalty" in caplog.text and name in caplog.text
    assert method.losses(make_images(), make_labels(method.step, "mixed"))["penalty"] == 0
    caplog.clear()
    second_step(name)
    assert not caplog.records


@penalised
def test_a_learning_rate_at_which_the_penalty_overshoots_is_named(name, caplog):
    method = second_step(name, reg_importance=500.0)
    method.param_groups(0.0005, 0.0)
    assert not caplog.records
    method.param_groups(0.005, 0.0)
    assert len(caplog.records) == 1 and "--reg_importance" in caplog.text


@pytest.mark.slow
@penalised
@pytest.mark.parametrize("index", [0, 1])
def test_an_interrupted_step_continues_bit_exactly(name, index):
    def begin():
        torch.manual_seed(0)
        hyper = {"reg_iterations": 2} if name == "RW" else {}
        method = second_step(name, **hyper) if index else make_method(name, 0, **hyper)
        return method, start(method, Training(epochs=1, lr=0.001), batches=20, device=CPU)

    whole, progress = begin()
    for seed in range(5):
        iterate(whole, progress, seed)

    part, progress = begin()
    for seed in range(3):
        iterate(part, progress, seed)
    saved = copy.deepcopy((part.net.state_dict(), part.state_dict(), progress.state_dict()))
    rest, progress = begin()
    rest.net.load_state_dict(saved[0])
    rest.load_state_dict(saved[1])
    progress.load_state_dict(saved[2])
    for seed in range(3, 5):
        iterate(rest, progress, seed)

    for method in (whole, rest):
        method.end_increment(None)
    for key, value in whole.net.state_dict().items():
        assert torch.equal(value, rest.net.state_dict()[key]), key
    ours, theirs = whole.state_dict()["finished"], rest.state_dict()["finished"]
    for key in ours:
        for parameter, value in ours[key].items():
            assert torch.equal(value, theirs[key][parameter]), (key, parameter)


@penalised
def test_an_overflowing_fp16_step_leaves_the_statistics(name):
    method = make_method(name, 0)
    method.net.precision = torch.float16
    method.prepare()
    before = copy.deepcopy(method.running)
    for parameter in method.net.parameters():
        parameter.grad = torch.full_like(parameter, float("inf"))
    method.after_backward()
    assert str(before) == str(method.running)


def test_fisher_is_continued_and_new_parameters_start_at_one():
    first = trained("EWC", 0)
    method = make_method("EWC", 1)
    method.load_previous(first.net.state_dict())
    method.load_state_dict(first.state_dict())
    method.prepare()
    fisher, before = method.running["fisher"], first.state_dict()["finished"]["fisher"]
    assert all(torch.equal(fisher[key], before[key]) for key in before)
    assert fisher["cls.1.weight"].eq(1).all()
    assert fisher["cls.0.bias"].data_ptr() != before["cls.0.bias"].data_ptr()


def test_importance_of_one_element_is_zero():
    assert scaled(torch.tensor([5.0])) == 0
    assert scaled(torch.full((3,), 5.0)).eq(0).all()
    torch.testing.assert_close(scaled(torch.tensor([1.0, 3.0, 2.0])), torch.tensor([0.0, 1.0, 0.5]))
