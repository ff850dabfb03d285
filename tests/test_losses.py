"""Pixel losses: equal to their textbook form, and finite with finite gradients whatever a batch holds."""

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from utils.labels import IGNORE
from utils.losses import pixelwise as losses

NUM_OLD, NUM_NEW = 4, 3
NUM_ALL = NUM_OLD + NUM_NEW

# Every loss as a function of (student's logits, labels, teacher's logits).
LOSSES = {
    "cross_entropy": lambda z, y, u: losses.cross_entropy(z, y),
    "unbiased_cross_entropy": lambda z, y, u: losses.unbiased_cross_entropy(z, y, u.shape[1]),
    "unbiased_cross_entropy without old classes": lambda z, y, u: losses.unbiased_cross_entropy(z, y, 0),
    "knowledge_distillation": lambda z, y, u: losses.knowledge_distillation(z, u, alpha=0.7),
    "unbiased_knowledge_distillation": lambda z, y, u: losses.unbiased_knowledge_distillation(z, u),
    "unbiased_losses": lambda z, y, u: sum(losses.unbiased_losses(z, u, y)),
    "region-specific distillation": lambda z, y, u: losses.grouped_kd(
        z, u, group=range(u.shape[1], z.shape[1]), mask=(y >= u.shape[1]) & (y != IGNORE)
    ),
    "feature_distillation": lambda z, y, u: losses.feature_distillation(z[:, : u.shape[1]], u),
    "binary_cross_entropy": lambda z, y, u: losses.binary_cross_entropy(z, y),
    "binary_distillation": lambda z, y, u: losses.binary_distillation(z, u),
    "multilabel_bce": lambda z, y, u: losses.multilabel_bce(z, one_hot(y, z.shape[1]).to(z.dtype)),
}
BATCHES = {
    "mixed": lambda shape: torch.randint(0, NUM_ALL, shape),
    "all ignored": lambda shape: torch.full(shape, IGNORE),
    "only background": lambda shape: torch.zeros(shape, dtype=torch.int64),
    "only old classes": lambda shape: torch.randint(1, NUM_OLD, shape),
    "only new classes": lambda shape: torch.randint(NUM_OLD, NUM_ALL, shape),
    "one labelled pixel": lambda shape: torch.full(shape, IGNORE).index_fill_(2, torch.tensor([0]), NUM_OLD),
}


def one_hot(labels, channels):
    """(N, H, W) -> (N, C, H, W), all zero where the label is IGNORE."""
    return (labels.unsqueeze(1) == torch.arange(channels).view(1, -1, 1, 1)).double()


def batch(kind="mixed", *, images=2, dtype=torch.float64, scale=2.0):
    torch.manual_seed(3)
    shape = (images, 3, 4)
    labels = BATCHES[kind](shape)
    logits = (scale * torch.randn(images, NUM_ALL, 3, 4, dtype=dtype)).requires_grad_()
    return logits, labels, scale * torch.randn(images, NUM_OLD, 3, 4, dtype=dtype)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("kind", BATCHES)
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_value_and_gradient_are_finite(name, kind, scale):
    for images in (1, 2):
        logits, labels, old = batch(kind, images=images, dtype=torch.float32, scale=scale)
        loss = LOSSES[name](logits, labels, old)
        loss.mean().backward()
        assert loss.isfinite().all() and logits.grad.isfinite().all()
        assert loss.dtype == torch.float32


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("kind", ["mixed", "all ignored", "only new classes"])
def test_gradient_is_that_of_the_value(name, kind):
    logits, labels, old = batch(kind)
    assert gradcheck(lambda z: LOSSES[name](z, labels, old), logits, fast_mode=True)


@pytest.mark.parametrize("name", ["cross_entropy", "unbiased_cross_entropy", "binary_cross_entropy"])
def test_ignored_pixels_cost_nothing(name):
    logits, labels, old = batch()
    labels[0, :2] = IGNORE
    loss = LOSSES[name](logits, labels, old)
    loss.sum().backward()
    assert loss[0, :2].eq(0).all() and logits.grad[0, :, :2].eq(0).all()
    assert loss[0, 2:].ne(0).all()


@pytest.mark.parametrize("name", ["cross_entropy", "unbiased_cross_entropy", "binary_cross_entropy"])
def test_labels_may_be_bytes_but_not_beyond_the_channels(name):
    logits, labels, old = batch()
    labels[0, 0] = IGNORE
    assert torch.equal(LOSSES[name](logits, labels, old), LOSSES[name](logits, labels.byte(), old))
    labels[0, 1] = NUM_ALL
    with pytest.raises((IndexError, RuntimeError)):
        LOSSES[name](logits, labels, old)


def test_unbiased_cross_entropy_is_the_textbook_form():
    logits, labels, _ = batch()
    labels[0, 0] = IGNORE
    probabilities = logits.softmax(1)
    background = probabilities[:, :NUM_OLD].sum(1)
    own = probabilities.gather(1, labels.clamp(max=NUM_ALL - 1).unsqueeze(1)).squeeze(1)
    want = -torch.where(labels < NUM_OLD, background, own).log()
    want = torch.where(labels == IGNORE, 0.0, want)
    torch.testing.assert_close(losses.unbiased_cross_entropy(logits, labels, NUM_OLD), want)


def test_distillation_is_the_textbook_form():
    logits, _, old = batch()
    targets, log_all = (0.5 * old).softmax(1), logits.log_softmax(1)
    want = -(targets * logits[:, :NUM_OLD].log_softmax(1)).mean(1)
    torch.testing.assert_close(losses.knowledge_distillation(logits, old, alpha=0.5), want)
    background = torch.cat([log_all[:, :1], log_all[:, NUM_OLD:]], 1).logsumexp(1)
    want = -(targets[:, 0] * background + (targets[:, 1:] * log_all[:, 1:NUM_OLD]).sum(1)) / NUM_OLD
    torch.testing.assert_close(losses.unbiased_knowledge_distillation(logits, old, alpha=0.5), want)
    new = log_all[:, NUM_OLD:].logsumexp(1)
    want = -(targets[:, 0] * new + (targets[:, 1:] * log_all[:, 1:NUM_OLD]).sum(1)) / NUM_OLD
    got = losses.grouped_kd(logits, old, group=range(NUM_OLD, NUM_ALL), alpha=0.5)
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize("group", [(0,), (6,), (0, 5), (4, 6), tuple(range(7)), (2,)])
def test_any_group_of_channels_may_answer_for_the_background(group):
    logits, _, old = batch()
    targets, log_all = old.softmax(1), logits.log_softmax(1)
    grouped = log_all[:, list(group)].logsumexp(1)
    want = -(targets[:, 0] * grouped + (targets[:, 1:] * log_all[:, 1:NUM_OLD]).sum(1)) / NUM_OLD
    torch.testing.assert_close(losses.grouped_kd(logits, old, group=group), want)


def test_distillation_without_new_class_or_of_background_alone_is_defined():
    logits, _, old = batch()
    unbiased = losses.unbiased_knowledge_distillation(logits[:, :NUM_OLD], old)
    torch.testing.assert_close(unbiased, losses.knowledge_distillation(logits, old))
    assert losses.unbiased_knowledge_distillation(logits, old[:, :1]).abs().max() < 1e-12


def test_masked_pixels_are_not_distilled():
    logits, labels, old = batch()
    mask = labels >= NUM_OLD
    loss = losses.unbiased_knowledge_distillation(logits, old, mask=mask)
    assert loss[~mask].eq(0).all() and loss[mask].ne(0).all()


@pytest.mark.parametrize("kind", BATCHES)
@pytest.mark.parametrize("num_old", [1, 2, NUM_OLD])
def test_both_unbiased_losses_at_once_are_what_each_is_alone(kind, num_old):
    logits, labels, old = batch(kind)
    old = old[:, :num_old]
    together = losses.unbiased_losses(logits, old, labels, alpha=0.7)
    unce = losses.unbiased_cross_entropy(logits, labels, num_old)
    alone = unce, losses.unbiased_knowledge_distillation(logits, old, alpha=0.7)
    for got, want in zip(together, alone, strict=True):
        torch.testing.assert_close(got, want)
        slopes = (torch.autograd.grad(loss.sum(), logits, retain_graph=True)[0] for loss in (got, want))
        torch.testing.assert_close(*slopes)


@pytest.mark.parametrize("name", ["cross_entropy", "unbiased_cross_entropy", "unbiased_losses"])
def test_labels_without_a_channel_are_refused(name):
    logits, labels, old = batch()
    labels[0, 0, 0] = NUM_ALL
    with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
        LOSSES[name](logits, labels, old)


def test_binary_losses_are_the_textbook_form():
    logits, labels, old = batch(scale=30.0)  # beyond the threshold at which softplus gives up by default
    labels[0, 0] = IGNORE
    targets = one_hot(labels, NUM_ALL)
    bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(1)
    want = torch.where(labels == IGNORE, 0.0, bce)
    torch.testing.assert_close(losses.binary_cross_entropy(logits, labels), want)
    torch.testing.assert_close(losses.multilabel_bce(logits, targets), want)
    assert losses.num_with_target(targets) == (labels != IGNORE).sum()
    want = F.binary_cross_entropy_with_logits(logits[:, :NUM_OLD], old.sigmoid(), reduction="none").sum(1)
    torch.testing.assert_close(losses.binary_distillation(logits, old), want)


def test_pseudo_labels_replace_sure_background_only():
    old = torch.full((1, 3, 1, 5), -5.0)
    old[0, 1, 0, :] = torch.tensor([2.0, 0.5, 2.0, 2.0, 2.0])  # sigmoid 0.88 or 0.62
    old[0, 0, 0, 4] = 3.0  # the teacher's background wins
    labels = torch.tensor([[[0, 0, 4, IGNORE, 0]]])
    got = losses.sigmoid_pseudo_labels(old, labels, threshold=0.7)
    assert got.tolist() == [[[1, 0, 4, IGNORE, 0]]]
