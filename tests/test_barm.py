"""BARM: branches, corrections of the background, and what each term may teach."""

import pytest
import torch

from modules.norms import norms_of
from modules.residual_branches import unified
from tests.builders import TinyLoader, make_images, make_labels, make_method
from utils.losses.background_correction import correction_on_background, correction_on_new, newest_alone


@pytest.fixture
def barm():
    """BARM at the start of step 1, without dropout."""
    method = make_method("BARM", 1, dropout=0.0)
    method.start_increment(TinyLoader(method.step))
    method.net.train()
    return method


def raw():
    """Outputs of three branches: two classes and background, then one class each with a correction."""
    torch.manual_seed(0)
    return [torch.randn(2, rows, 3, 3, requires_grad=True) for rows in (3, 2, 2)]


def test_corrections_only_lower_the_background():
    first, *later = branches = raw()
    logits = unified(branches, learning=False)
    lowered = first[:, 0] + sum(b[:, 0].clamp(max=0) for b in later)
    torch.testing.assert_close(logits[:, 0], lowered)
    assert torch.equal(logits[:, 1:], torch.cat([b[:, 1:] for b in branches], dim=1))


def test_while_a_branch_learns_the_background_reaches_nothing_but_its_correction():
    *old, newest = branches = raw()
    logits = unified(branches, learning=True)
    assert (logits[:, 0] > unified(branches, learning=False)[:, 0]).any()  # its own is not limited
    gradients = torch.autograd.grad(logits[:, 0].sum(), branches)
    assert not any(gradient.any() for gradient in gradients[: len(old)])
    assert torch.equal(gradients[-1][:, 0], torch.ones(2, 3, 3)) and not gradients[-1][:, 1:].any()


def test_old_classes_are_constants_to_the_criterion():
    logits = torch.randn(1, 4, 2, 2, requires_grad=True)
    newest_alone(logits, 3).sum().backward()
    assert logits.grad.flatten(2).sum((0, 2)).tolist() == [4, 0, 0, 4]


def test_a_new_branch_starts_as_the_first_but_for_its_running_statistics(barm):
    first, newest = barm.net.branches
    assert torch.equal(first.conv.weight, newest.conv.weight)
    assert torch.equal(first.norm.weight, newest.norm.weight)
    assert not newest.norm.running_mean.any() and (newest.norm.running_var == 1).all()
    assert not any(norm.training for norm in norms_of(barm.net))


def test_the_newest_branch_and_the_head_learn_fast_and_the_rest_slowly(barm):
    groups = barm.param_groups(0.1, 1e-4)
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    net = barm.net
    for fast in (net.branches[1].conv, net.cls[1], net.corrections[0], net.head.red_conv):
        assert rates[id(fast.weight)] == pytest.approx(1.0)
    for slow in (net.branches[0].conv, net.cls[0], net.body.mod1.conv1):
        assert rates[id(slow.weight)] == pytest.approx(0.1)
    start = make_method("BARM", 0)
    assert [group["lr"] for group in start.param_groups(0.1, 0)] == pytest.approx([1.0, 1.0, 0.1])


def test_a_step_starts_where_its_teacher_is_but_for_the_new_branch(barm):
    barm.net.eval()
    said, old = barm.net(make_images()), barm.teacher(make_images())
    torch.testing.assert_close(said.extras["raw_0"], old.extras["raw_0"], rtol=1e-4, atol=1e-4)
    assert said.logits_small.shape[1] == barm.step.num_seen and said.extras["raw_1"].shape[1] == 2


def test_in_evaluation_sigmoids_are_up_sampled_and_in_training_logits(barm):
    images = make_images()
    barm.net.eval()
    answer = barm.net(images)
    logits = unified([answer.extras[f"raw_{t}"] for t in range(2)], learning=False)
    assert torch.equal(answer.logits_small, logits.sigmoid())
    barm.net.train()
    assert barm.net(images).logits_small.max() > 1 or barm.net(images).logits_small.min() < 0


@pytest.mark.parametrize(("kind", "zero"), [("only new classes", "bg"), ("only background", "new")])
def test_a_term_without_cells_is_zero(barm, kind, zero):
    losses = barm.losses(make_images(), make_labels(barm.step, kind))
    assert losses[zero] == 0 and losses[{"bg": "new", "new": "bg"}[zero]] > 0


def test_corrections_should_be_low_on_new_classes_and_not_negative_on_background():
    everywhere = torch.ones(1, 1, 1, dtype=torch.bool)
    low, high = torch.full((1, 1, 1), -3.0), torch.full((1, 1, 1), 3.0)
    assert correction_on_new(low, everywhere) < correction_on_new(high, everywhere)
    assert correction_on_background(low, everywhere) > correction_on_background(high, everywhere) == 0
