"""ALIFE: what it does to a pixel, and values that differ from step to step."""

import pytest
import torch

import argparser
from methods.alife import ALIFE
from modules.norms import norms_of
from tests.builders import TinyLoader, make_images, make_labels, make_method
from utils.labels import IGNORE
from utils.losses.adaptive_logits import adaptive_losses, focal_cross_entropy, soft_cross_entropy
from utils.losses.pixelwise import cross_entropy, knowledge_distillation


@pytest.fixture
def pixels():
    """Logits of 6 classes, the teacher's of 4, and labels of background, new classes and nothing."""
    torch.manual_seed(0)
    labels = torch.tensor([0, 4, 5, IGNORE]).repeat(2, 3, 2)
    return torch.randn(2, 6, 3, 8).double(), torch.randn(2, 4, 3, 8).double(), labels


def test_the_three_losses_are_those_that_they_share_their_sums_with(pixels):
    logits, old_logits, labels = pixels
    background, new = labels == 0, (labels > 0) & (labels != IGNORE)
    ce, ali, kd = adaptive_losses(*pixels)
    torch.testing.assert_close(ce, cross_entropy(logits, labels) * new)
    torch.testing.assert_close(ali, soft_cross_entropy(logits, old_logits) * background)
    torch.testing.assert_close(kd, knowledge_distillation(logits, old_logits) * ~background)


def test_background_pulls_towards_the_whole_answer_of_the_teacher(pixels):
    logits, old_logits, _ = pixels
    logits.requires_grad_()
    soft_cross_entropy(logits, old_logits).sum().backward()
    target = torch.cat([old_logits.softmax(1), torch.zeros(2, 2, 3, 8)], dim=1)
    torch.testing.assert_close(logits.grad, logits.softmax(1).detach() - target)


def test_focal_cross_entropy_hardly_looks_at_pixels_that_are_sure():
    logits = torch.tensor([[0.0, 0.0], [8.0, 0.0]]).T[None, :, None]  # probabilities of class 0: 1/2, 0.9997
    labels = torch.zeros(1, 1, 2, dtype=torch.long)
    unsure, sure = (focal_cross_entropy(logits, labels) / cross_entropy(logits, labels)).flatten()
    assert unsure == pytest.approx(0.25) and sure < 1e-6
    assert torch.equal(focal_cross_entropy(logits, labels, gamma=0), cross_entropy(logits, labels))


@pytest.mark.parametrize(("kind", "zero"), [("only new classes", "ali"), ("only background", "kd")])
def test_a_term_without_pixels_is_zero(kind, zero):
    method = make_method("ALIFE", 1)
    losses = method.losses(make_images(), make_labels(method.step, kind))
    assert losses[zero] == 0 and all(losses[name] > 0 for name in {"ali", "kd"} - {zero})


def test_norms_rest_after_step_0_and_convolutions_do_not():
    method = make_method("ALIFE", 1)
    method.start_increment(TinyLoader(method.step))
    method.net.train()
    norms = norms_of(method.net)
    assert norms and not any(norm.training for norm in norms)
    frozen = {id(p) for norm in norms for p in norm.parameters()}
    assert {id(p) for p in method.net.parameters() if not p.requires_grad} == frozen


def test_a_list_of_values_holds_one_per_step_and_its_last_for_all_that_follow():
    values = {"ali": [1.0, 3.0, 5.0], "kd": 7.0}
    methods = [make_method("ALIFE", index, **values) for index in range(3)]
    assert [method.ali for method in methods] == [1.0, 3.0, 5.0]
    assert [method.kd for method in methods] == [7.0] * 3
    assert ALIFE(methods[2].step, ali=[1.0, 3.0]).ali == 3.0


def test_recipes_give_values_per_step_and_the_command_line_one_for_all():
    words = ["--recipe", "voc/alife_15-1-overlap"]
    assert argparser.resolve(words, {}).hyper == {"ali": [1, 3, 5, 2, 3, 2], "kd": [1, 1, 10, 1, 10, 1]}
    assert argparser.resolve([*words, "--kd", "4"], {}).hyper["kd"] == 4
