"""Means of pixel losses by bands of rows: the same as all at once, with almost nothing kept for backward."""

import pytest
import torch

from dataset.memory.compose import one_hot
from utils.labels import IGNORE
from utils.losses import pixel_means, upsampling
from utils.losses import pixelwise as losses
from utils.losses.pixel_means import plain_means
from utils.losses.upsampling import upsampling_matrix

NUM_OLD, NUM_ALL = 3, 5


def ce(logits, labels):
    return losses.cross_entropy(logits, labels)


def unbiased(logits, old_logits, labels):
    unce = losses.unbiased_cross_entropy(logits, labels, NUM_OLD)
    return unce, losses.unbiased_knowledge_distillation(logits, old_logits)


def scaled(logits, labels, factor):
    return losses.cross_entropy(logits, labels) * factor


def soft_targets(labels):
    """(N, C, H, W), two classes mixed, none at ignored pixels."""
    hot, other = one_hot(labels, NUM_ALL), one_hot((labels + 1) % NUM_ALL, NUM_ALL)
    return (0.25 * hot + 0.75 * other) * (labels != IGNORE).unsqueeze(1)


def batch(size=(13, 22), small=(4, 5), *, images=3, dtype=torch.float64):
    torch.manual_seed(1)
    logits = torch.randn(images, NUM_ALL, *small, dtype=dtype, requires_grad=True)
    labels = torch.randint(0, NUM_ALL, (images, *size))
    labels[0, :3] = IGNORE
    return logits, torch.randn(images, NUM_OLD, *small, dtype=dtype), labels


def graded(means, maps, small, others, weights=(1.0, 10.0)):
    """Values of the terms, and the gradient of their weighted sum by the first logits."""
    values = means(maps, small, others)
    total = sum(weight * value for weight, value in zip(weights, values, strict=False))
    (gradient,) = torch.autograd.grad(total, small[0])
    return torch.stack([value.detach() for value in values]), gradient


@pytest.mark.parametrize("budget", [1, 300, 2000, 2**20])
@pytest.mark.parametrize("size", [(13, 22), (16, 20), (4, 5), (3, 4)])
def test_bands_give_what_all_rows_at_once_give(budget, size, monkeypatch):
    monkeypatch.setattr(upsampling, "ELEMENTS_CPU", budget)
    logits, old_logits, labels = batch(size)
    factor = torch.rand(3, 1, 1, dtype=torch.float64)
    cases = [
        (ce, [logits], [labels]),
        (unbiased, [logits, old_logits], [labels]),
        (scaled, [logits], [labels, factor]),
        (losses.multilabel_bce, [logits], [soft_targets(labels)]),
    ]
    for case in cases:
        for got, want in zip(graded(pixel_means.pixel_means, *case), graded(plain_means, *case), strict=True):
            torch.testing.assert_close(got, want)


def test_terms_have_gradients_of_their_own():
    logits, old_logits, labels = batch()
    case = (unbiased, [logits, old_logits], [labels])
    for weights in ((1.0, 0.0), (0.0, 1.0), (2.0, -3.0)):
        got = graded(pixel_means.pixel_means, *case, weights)
        torch.testing.assert_close(got[1], graded(plain_means, *case, weights)[1])


def test_float32_gradient_is_at_least_as_exact_as_all_at_once():
    logits, _, labels = batch(size=(64, 64), dtype=torch.float32)
    exact = graded(plain_means, ce, [logits.detach().double().requires_grad_()], [labels])[1]
    (got, plain) = (
        graded(means, ce, [logits], [labels])[1] for means in (pixel_means.pixel_means, plain_means)
    )
    assert (got - exact).norm() <= 1e-6 * exact.norm()
    assert (got - plain).norm() <= 1e-6 * exact.norm()


def test_half_precision_logits_are_up_sampled_in_float32():
    logits, _, labels = batch(dtype=torch.float32)
    half = logits.detach().bfloat16().requires_grad_()
    values, gradient = graded(pixel_means.pixel_means, ce, [half], [labels])
    want, _ = graded(plain_means, ce, [half.detach().float().requires_grad_()], [labels])
    torch.testing.assert_close(values, want)
    assert gradient.dtype == torch.bfloat16


def test_without_gradient_there_is_a_value():
    logits, _, labels = batch()
    (value,) = pixel_means.pixel_means(ce, [logits.detach()], [labels])
    torch.testing.assert_close(value, plain_means(ce, [logits], [labels])[0].detach())
    with torch.no_grad():
        (value,) = pixel_means.pixel_means(ce, [logits], [labels])
    assert not value.requires_grad


def test_less_than_two_megabytes_per_image_are_kept_for_backward():
    logits = torch.zeros(1, 151, 32, 32, requires_grad=True)
    old_logits, labels = torch.zeros(1, NUM_OLD, 32, 32), torch.zeros(1, 64, 64, dtype=torch.int64)
    value, _ = pixel_means.pixel_means(unbiased, [logits, old_logits], [labels])
    assert 0 < sum(tensor.nbytes for tensor in value.grad_fn.saved_tensors) < 2e6


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("sizes", [(4, 13), (5, 5), (7, 3), (1, 6)])
def test_up_sampling_matrix_is_interpolation(sizes, align_corners):
    small, large = sizes
    x = torch.randn(2, 3, small, 4, dtype=torch.float64)
    got = upsampling_matrix(small, large, x, align_corners=align_corners) @ x
    options = {"mode": "bilinear", "align_corners": align_corners}
    torch.testing.assert_close(got, torch.nn.functional.interpolate(x, size=(large, 4), **options))


def test_users_choice_of_tf32_is_left_as_it_was():
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    try:
        matmul.fp32_precision = "tf32"
        with pixel_means.exact_products():
            assert matmul.fp32_precision == "ieee"
        assert matmul.fp32_precision == "tf32"
    finally:
        matmul.fp32_precision = before
