"""UCD's contrast and REMINDER's class similarity: textbook form, chunks, batches with nothing to compare."""

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from utils.labels import IGNORE
from utils.losses import contrastive
from utils.losses.class_similarity import class_means, of_new_class, resemblance, resemblance_kd
from utils.losses.contrastive import Pixels, choose_pixels, pixel_contrast, spatial_attention

NUM_OLD, NUM_ALL = 3, 5


def batch(labels=None, *, images=2):
    torch.manual_seed(5)
    features = torch.randn(images, 4, 3, 4, dtype=torch.float64, requires_grad=True)
    old_features = torch.randn(images, 4, 3, 4, dtype=torch.float64)
    old_logits = torch.randn(images, NUM_OLD, 3, 4, dtype=torch.float64)
    if labels is None:
        labels = torch.randint(0, NUM_ALL, (images, 6, 8))
    return features, old_features, old_logits, labels


def contrast(features, old_features, old_logits, labels):
    return pixel_contrast(choose_pixels(features, old_features, old_logits, labels, max_label=NUM_ALL - 1))


def textbook_contrast(pixels, temperature=0.07):
    """The formula, pair by pair."""
    weights, found = pixels.weights(), []
    for i, anchor in enumerate(pixels.anchors):
        similar = pixels.contrasts @ anchor / temperature
        same = pixels.contrast_labels == pixels.anchor_labels[i]
        shifted, negatives = similar - similar.max().detach(), similar[~same].exp().sum()
        terms = [
            weights[i, j] * (shifted[j] - (shifted[j].exp() + negatives).log())
            for j in range(len(similar))
            if same[j] and j != i
        ]
        if terms:
            found.append(-sum(terms) / len(terms))
    return sum(found) / len(found)


def test_contrast_is_the_textbook_form_in_chunks_too(monkeypatch):
    inputs = batch()
    pixels = choose_pixels(*inputs, max_label=NUM_ALL - 1)
    want = textbook_contrast(pixels)
    (want_grad,) = torch.autograd.grad(want, inputs[0], retain_graph=True)
    for rows in (1024, 5):
        monkeypatch.setattr(contrastive, "ROWS", rows)
        got = pixel_contrast(pixels)
        (grad,) = torch.autograd.grad(got, inputs[0], retain_graph=True)
        torch.testing.assert_close(got, want)
        torch.testing.assert_close(grad, want_grad)


@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize(
    "fill",
    [0, 1, NUM_ALL - 1, IGNORE],
    ids=["only background", "only an old class", "only a new class", "all ignored"],
)
def test_contrast_is_defined_for_every_batch(fill, images):
    inputs = batch(torch.full((images, 6, 8), fill), images=images)
    loss = contrast(*inputs)
    loss.backward()
    assert loss.isfinite() and inputs[0].grad.isfinite().all()


@pytest.mark.parametrize("fill", [None, 0, 1, NUM_ALL - 1, IGNORE])
def test_padding_in_place_of_counting_changes_nothing(fill, monkeypatch):
    """As on GPUs, which need not be waited for then."""
    inputs = batch(None if fill is None else torch.full((2, 6, 8), fill))
    found = []
    for padded in (False, True):
        if padded:
            monkeypatch.setattr(Pixels, "without_padding", lambda pixels: pixels)
        loss = contrast(*inputs)
        found.append((loss, *torch.autograd.grad(loss, inputs[0])))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)
    pixels = choose_pixels(*inputs, max_label=NUM_ALL - 1)
    assert len(pixels.anchors) == 24 and len(pixels.contrasts) == 48


def test_contrast_of_nothing_is_zero():
    features, old_features, old_logits, _ = batch()
    certain_background = old_logits.clone()
    certain_background[:, 0] = 9.0
    loss = contrast(features, old_features, certain_background, torch.zeros(2, 6, 8, dtype=torch.int64))
    loss.backward()
    assert loss == 0 and features.grad.eq(0).all()
    one = torch.zeros(2, 6, 8, dtype=torch.int64)
    one[0, :2, :2] = NUM_ALL - 1  # one anchor, nothing like it
    assert contrast(features, old_features, certain_background, one) == 0


def test_attention_leaves_directions_and_survives_an_image_of_zeros():
    features = batch()[0].detach().clone()
    features[1] = 0
    attended = spatial_attention(features)
    torch.testing.assert_close(F.normalize(attended[0], dim=0), F.normalize(features[0], dim=0))
    assert attended[1].eq(0).all()


def test_classes_beyond_127_are_kept():
    inputs = batch(torch.full((2, 6, 8), 140))
    pixels = choose_pixels(*inputs, max_label=150)
    assert pixels.anchor_labels.eq(140).all() and len(pixels.anchor_labels) == 24


def test_class_means_are_those_of_up_sampled_features():
    features, _, _, labels = batch()
    labels[0, 0] = IGNORE
    labels[labels == 3] = 4
    large = F.interpolate(features, size=labels.shape[1:], mode="bilinear", align_corners=True)
    means, counts = class_means(features, labels, range(2, NUM_ALL))
    for row, label in enumerate(range(2, NUM_ALL)):
        chosen = large.movedim(1, -1)[labels == label]
        assert counts[row] == len(chosen)
        want = chosen.mean(0) if len(chosen) else torch.zeros(4, dtype=torch.float64)
        torch.testing.assert_close(means[row], want)


def similarity_inputs(labels):
    torch.manual_seed(8)
    logits = torch.randn(2, NUM_ALL, 6, 8, dtype=torch.float64, requires_grad=True)
    old_logits = torch.randn(2, NUM_OLD, 6, 8, dtype=torch.float64)
    prototypes = torch.randn(NUM_ALL - NUM_OLD, 4, dtype=torch.float64)
    return logits, old_logits, labels, prototypes, torch.randn(NUM_OLD, 4, dtype=torch.float64)


def test_distillation_by_resemblance_is_the_textbook_form():
    logits, old_logits, labels, prototypes, old_prototypes = similarity_inputs(batch()[-1])
    labels[0, 0] = IGNORE
    similarity = F.cosine_similarity(prototypes[:, None], old_prototypes, dim=2).softmax(1)
    similarity[similarity < 0.9 / NUM_OLD] = 0
    want = torch.zeros(2, 6, 8, dtype=torch.float64)
    for n, y, x in of_new_class(labels, NUM_OLD).nonzero():
        target = (old_logits[n, :, y, x] / 3).softmax(0) * similarity[labels[n, y, x] - NUM_OLD] + 1e-7
        want[n, y, x] = -9 * (target * (logits[n, :NUM_OLD, y, x] / 3).log_softmax(0)).sum()
    weights = resemblance(prototypes, old_prototypes, delta=0.9)
    torch.testing.assert_close(resemblance_kd(logits, old_logits, labels, weights), want)
    assert gradcheck(lambda z: resemblance_kd(z, old_logits, labels, weights), logits, fast_mode=True)


@pytest.mark.parametrize("fill", [0, 1, IGNORE])
def test_without_pixel_of_a_new_class_nothing_is_distilled(fill):
    logits, old_logits, labels, *prototypes = similarity_inputs(torch.full((2, 6, 8), fill))
    loss = resemblance_kd(logits, old_logits, labels, resemblance(*prototypes))
    loss.sum().backward()
    assert loss.eq(0).all() and logits.grad.eq(0).all()


def test_classes_without_prototype_resemble_all_others_alike():
    zeros = torch.zeros(2, 4), torch.zeros(3, 4)
    assert resemblance(*zeros).eq(1 / 3).all()
    assert resemblance(torch.randn(2, 4), zeros[1]).eq(1 / 3).all()
