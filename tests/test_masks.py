"""Mask classification without a network: targets, points, matching, losses, decisions."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from utils.labels import IGNORE
from utils.losses import mask_classification as terms
from utils.losses.mask_distillation import adaptive_distillation, backtrace_distillation
from utils.losses.set_criterion import SetCriterion
from utils.masks import full_size
from utils.masks.matching import assign
from utils.masks.points import Points, read
from utils.masks.pseudo import ranked_masks, winners_masks
from utils.masks.targets import masks_of_labels
from utils.proportional import choose_by_shares

SIZE, POINTS = (16, 16), Points(number=32)
KINDS = {
    "sigmoid masks": SetCriterion(points=POINTS),
    "competing masks": SetCriterion(softmask=True, class_loss=terms.focal_entropy, points=POINTS),
    "sigmoid classes": SetCriterion(class_loss=terms.sigmoid_focal, points=POINTS),
}


def predictions(*, queries: int = 5, classes: int = 4, images: int = 2, layers: int = 2):
    """Random class logits and mask logits of each layer, with a gradient."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(layers, images, queries, classes + 1, generator=generator)
    masks = 5 * torch.randn(layers, images, queries, 4, 4, generator=generator)
    return logits.requires_grad_(), masks.requires_grad_()


def labels_of(kind: str) -> torch.Tensor:
    """Labels of two images, of classes 0 to 3."""
    labels = torch.arange(2 * 16 * 16).view(2, *SIZE) // 100 % 4
    filled = {"all ignored": IGNORE, "one class": 2}
    return torch.full_like(labels, filled[kind]) if kind in filled else labels


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("labels", ["mixed", "all ignored", "one class"])
@pytest.mark.parametrize("queries", [1, 5])  # fewer than masks, and more
def test_losses_are_finite_with_finite_gradients_whatever_the_labels_show(kind, labels, queries):
    logits, masks = predictions(queries=queries)
    criterion = KINDS[kind]
    losses = criterion.weighed(criterion(logits, masks, masks_of_labels(labels_of(labels), 0, 3)))
    assert losses.shape == (2, 3) and torch.isfinite(losses).all()
    losses.sum().backward()
    assert torch.isfinite(logits.grad).all() and torch.isfinite(masks.grad).all()


@pytest.mark.parametrize("kind", KINDS)
def test_extreme_logits_have_finite_losses_and_gradients(kind):
    logits, masks = ((x.detach() * 1e4).requires_grad_() for x in predictions())
    losses = KINDS[kind](logits, masks, masks_of_labels(labels_of(""), 0, 3))
    losses.sum().backward()
    assert torch.isfinite(losses).all()
    assert torch.isfinite(logits.grad).all() and torch.isfinite(masks.grad).all()


def test_a_cost_that_is_not_finite_stops_nothing_so_that_the_loss_can_be_named():
    pairs = assign([torch.tensor([[[1.0, float("nan")], [float("inf"), 0.0]]])])
    assert pairs.queries.tolist() == [[0, 1]] and pairs.targets.tolist() == [[0, 1]]


def test_queries_that_predict_the_masks_are_matched_to_them():
    targets = masks_of_labels(labels_of(""), 0, 3)
    order = torch.tensor([2, 0, 1])  # of three masks of the first image
    masks = F.interpolate(targets[0].masks[None, order] * 20.0 - 10, size=(8, 8))[None]
    logits = 10 * F.one_hot(targets[0].classes[order], 5).float()[None, None]
    pairs = SetCriterion(points=Points(number=200)).match(logits, masks, targets[:1])
    assert pairs.targets[0].tolist() == order.tolist() and pairs.queries[0].tolist() == [0, 1, 2]


def test_other_and_ignored_classes_have_no_mask_and_columns_start_where_asked():
    labels = torch.tensor([[[0, 1, 2, IGNORE]], [[0, 0, IGNORE, 0]]])
    with_objects, without = masks_of_labels(labels, 1, 3, column=1)
    assert with_objects.classes.tolist() == [0, 1] and with_objects.anywhere().tolist() == [[0, 1, 1, 0]]
    assert len(without) == 0 and without.masks.shape == (0, 1, 4) and not without.anywhere().any()


def test_points_are_read_as_by_pixel_centres_and_are_0_outside():
    maps = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    points = torch.tensor([[[0.25, 0.25], [0.5, 0.5], [0.0, 0.25]]])
    assert read(maps, points)[0, 0].tolist() == pytest.approx([1.0, 2.5, 0.5])


def test_bands_of_rows_give_what_whole_images_give(monkeypatch):
    logits, masks = (x[0].detach() for x in predictions())
    whole = F.interpolate(masks, size=(24, 20), mode="bilinear")
    want = torch.einsum("nqc,nqhw->nchw", logits.softmax(-1)[..., :-1], whole.sigmoid())
    monkeypatch.setattr(full_size, "portion", lambda *_: (1, 5))
    assert torch.allclose(full_size.semantic_scores(logits, masks, (24, 20)), want, atol=1e-5)
    for softmask in (False, True):
        scores = torch.rand(masks.shape[:2])
        found = full_size.contest(scores, masks, (24, 20), softmask=softmask)
        shares = full_size.shares(whole, softmask=softmask)
        best = (scores[..., None, None] * shares).max(1).indices
        assert torch.equal(found.winner, best)
        assert torch.equal(found.area, (shares >= 0.5).sum((2, 3)))
        assert torch.equal(found.won, F.one_hot(best, 5).sum((1, 2)))


@pytest.mark.parametrize("rule", [full_size.semantic_rule, full_size.winner_rule, full_size.sigmoid_rule])
def test_tests_never_form_all_masks_at_full_size(rule):
    largest, (height, width) = 0, (256, 512)

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            nonlocal largest
            found = function(*args, **(kwargs or {}))
            if isinstance(found, torch.Tensor):
                largest = max(largest, found.numel())
            return found

    with Watch():
        scores = rule(torch.randn(1, 50, 4), torch.randn(1, 50, 64, 128), (height, width))
    assert scores.shape == (1, 3, height, width)
    assert largest <= 50 * height * width / 4  # those at the network's size, as wide as the image


@pytest.mark.parametrize(
    ("rule", "probabilities"),
    [(full_size.winner_rule, full_size.exclusive), (full_size.sigmoid_rule, torch.sigmoid)],
)
def test_where_the_best_query_decides_the_score_of_its_class_is_how_sure_it_is(rule, probabilities):
    masks = torch.tensor([[[[9.0]], [[-9.0]]]])
    for logit in (4.0, 0.1):  # of class 1; the other query sees nothing
        logits = torch.tensor([[[0.0, logit, 0.0], [-9.0, -9.0, 9.0]]])
        scores = rule(logits, masks, (1, 1)).flatten()
        claim = float(probabilities(logits)[0, 0, 1])
        assert scores.tolist() == pytest.approx([1 - scores[1].item(), max(claim, 0.5005)], rel=1e-3)
    nobody = rule(torch.tensor([[[0.0, 0.0, 9.0]] * 2]), masks, (1, 1)).flatten()
    assert nobody.tolist() == pytest.approx([1.0, 0.0], abs=1e-5)


def test_images_whose_queries_see_nothing_are_background_and_give_no_pseudo_mask():
    logits, masks = (x[0].detach() for x in predictions())
    logits[..., -1] = 50
    labels, sure = full_size.winning_classes(logits.softmax(-1), masks, SIZE, softmask=True)
    targets = masks_of_labels(labels_of("all ignored"), 3, 3)
    assert not labels.any() and sure.eq(1).all()
    assert not any(map(len, winners_masks(logits, masks, targets, softmask=True)))
    assert not any(map(len, ranked_masks(logits, masks, targets, overlap=0.8)))


def test_pseudo_masks_leave_labelled_pixels_alone_and_do_not_overlap():
    logits, masks = (x[0].detach() for x in predictions())
    targets = masks_of_labels(labels_of(""), 3, 3)
    for found in (
        winners_masks(logits, masks, targets, softmask=False),
        ranked_masks(logits, masks, targets, overlap=0.1),
    ):
        assert sum(map(len, found)) > 0
        for own, pseudo in zip(targets, found, strict=True):
            assert int((own + pseudo).masks.sum(0).max()) == 1


def test_distillation_is_0_where_there_is_nothing_to_keep():
    logits = torch.randn(1, 2, 4, requires_grad=True)
    old = torch.tensor([[[0.0, 0.0, 200.0], [0.0, 0.0, 200.0]]])
    kept = adaptive_distillation(logits, old)
    kept.backward()
    assert kept.item() == 0 and not logits.grad.any()
    states, none = torch.randn(3, 1, 2, 4, requires_grad=True), torch.empty(0, dtype=torch.long)
    kept = backtrace_distillation(states, torch.zeros(3, 1, 2, 4), none, none)
    kept.sum().backward()
    assert kept.tolist() == [0, 0, 0] and not states.grad.any()


def test_distillation_of_the_teachers_own_logits_has_no_gradient():
    old = torch.randn(2, 3, 5)
    logits = old.clone().requires_grad_()
    kept = adaptive_distillation(logits, old)
    kept.backward()
    assert kept.item() == pytest.approx(0, abs=1e-6) and logits.grad.abs().max() < 1e-6


def test_a_batch_of_memory_images_alone_has_a_finite_class_loss():
    logits, classes = torch.randn(2, 3, 4), torch.full((2, 3), 3)
    whole = torch.tensor([True, True])
    assert terms.mixed_entropy(logits, classes, whole).item() == 0
    classes[0, 0] = 1
    assert torch.isfinite(terms.mixed_entropy(logits, classes, whole))


def test_chosen_images_are_as_many_as_there_are_and_bring_missing_classes():
    counts = {"a": [1, 0], "b": [1, 0], "c": [0, 1]}
    assert choose_by_shares(counts, [0.5, 0.5], 2)[0] == ["a", "c"]
    assert choose_by_shares(counts, [0.5, 0.5], 9)[0] == ["a", "c", "b"]
    assert choose_by_shares({}, [0.5, 0.5], 2)[0] == []
