"""PLOP: which answers of the teacher are believed, against the textbook form, and the method's steps."""

import math

import pytest
import torch
import torch.nn.functional as F

from methods.plop import PLOP
from tasks import Step
from tests.builders import PARTS, TinyLoader, make_images, make_labels, make_method
from utils.labels import IGNORE
from utils.losses import pseudo_labels as th
from utils.losses import upsampling

NUM_OLD, NUM_SEEN = 5, 7


def answers(shape=(4, NUM_OLD, 6, 7), scale=4.0, dtype=torch.float64):
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(3), dtype=dtype)


def test_scores_equal_the_published_entropy():
    logits = answers()
    p = logits.softmax(1)
    want = -(p * (p + 1e-8).log()).mean(1) / math.log(NUM_OLD + 1e-8) / math.log(NUM_SEEN)
    classes, scores = th.entropy_scores(logits, NUM_SEEN)
    assert torch.equal(classes, p.argmax(1))
    torch.testing.assert_close(scores, want, rtol=0, atol=1e-8)


@pytest.mark.parametrize("budget", [100, 2000, 2**20])  # bands of some rows, whole images, the whole batch
def test_scores_from_small_logits_equal_those_of_the_whole_batch(budget, monkeypatch):
    monkeypatch.setattr(upsampling, "ELEMENTS_CPU", budget)
    small = answers(dtype=torch.float32)
    whole = F.interpolate(small, size=(12, 15), mode="bilinear", align_corners=False)
    for got, want in zip(
        th.entropy_scores_of_small(small, (12, 15), NUM_SEEN),
        th.entropy_scores(whole, NUM_SEEN),
        strict=True,
    ):
        torch.testing.assert_close(got, want)


def test_largest_score_is_that_of_equal_answers():
    _, scores = th.entropy_scores(torch.zeros(1, NUM_OLD, 1, 1), NUM_SEEN)
    assert scores.item() == pytest.approx(th.largest_score(NUM_OLD, NUM_SEEN))
    _, scores = th.entropy_scores(torch.zeros(1, 1, 1, 1), 2)  # a single old class
    assert scores.item() == 0


@pytest.mark.parametrize(
    ("counts", "want"),
    [
        ([0, 0, 0, 0], 0.0),
        ([8, 1, 1, 0], 5 / 8 / 4),  # the first bin holds the middle: right
        ([0, 10, 0, 0], 1.5 / 4),
        ([2, 3, 9, 2], (2 + 7 / 9) / 4),  # half = 8, but 0 + 1 were passed
        ([100, 100, 100, 100, 0], math.inf),  # no bin holds 200 - b (b - 1) / 2, the last is empty
        ([0, 0, 0, 1, 0, 0], -math.inf),  # half = 0.5 lies between the passed bin numbers
    ],
)
def test_published_median_adds_bin_numbers(counts, want):
    assert th.published_median_of(counts) == pytest.approx(want)


def test_undefined_published_median_believes_nothing():
    assert math.isnan(th.published_median_of([0, 0, 0, 2]))  # stops at an empty bin: 0 / 0
    found = th.thresholds_from(torch.tensor([[0, 0, 0, 2], [0, 0, 0, 0]]), 0.001)
    assert found.tolist() == [-math.inf, pytest.approx(0.001)]


def test_true_median_halves_the_mass():
    assert th.true_median_of([2, 3, 9, 2]) == pytest.approx((2 + 3 / 9) / 4)
    assert th.true_median_of([0, 0, 4, 0]) == pytest.approx(2.5 / 4)
    assert th.true_median_of([1, 0, 0, 1]) == pytest.approx(1 / 4)
    assert th.true_median_of([0, 0]) == 0


def test_on_many_classes_the_published_filter_accepts_everything_and_the_true_one_half():
    # No score of 101 old classes exceeds 0.0021: all are in the first of 100 bins, whose middle is 0.005.
    logits = answers((1, 101, 80, 80), scale=2.0)
    classes, scores = th.entropy_scores(logits, 151)
    classes, labels, top = torch.zeros_like(classes), torch.zeros_like(classes), th.largest_score(101, 151)
    published = th.thresholds_from(th.score_histogram(classes, scores, labels, num_seen=151), 0.001)
    counts = th.score_histogram(classes, scores, labels, num_seen=151, top=top)
    true = th.thresholds_from(counts, 0.0, true_median=True, top=top)
    assert (scores < published[0]).all()
    assert (scores < true[0]).double().mean().item() == pytest.approx(0.5, abs=0.05)


def test_histogram_counts_background_only():
    classes = torch.tensor([[[0, 1, 1, 3]]])
    scores = torch.tensor([[[0.0, 0.015, 2.0, 0.5]]])
    counts = th.score_histogram(classes, scores, torch.tensor([[[0, 0, 0, IGNORE]]]), num_seen=NUM_SEEN)
    assert counts.shape == (NUM_SEEN, 100) and counts.sum() == 3
    assert counts[0, 0] == counts[1, 1] == counts[1, 99] == 1


def test_histograms_of_all_processes_are_added_up(monkeypatch):
    other = torch.tensor([[0, 9, 0, 0]])
    monkeypatch.setattr(th, "all_reduce_sum", lambda counts: counts + other)
    found = th.thresholds_from(torch.tensor([[1, 0, 0, 0]]), 0.0)
    assert found.item() == pytest.approx(th.published_median_of([1, 9, 0, 0]))


def relabelled():
    """Labels (N, H, W) of every sort, a teacher's answer, and what PLOP makes of them."""
    labels = torch.tensor([0, 2, NUM_OLD, NUM_SEEN - 1, IGNORE])[torch.arange(4 * 6 * 7) % 5].view(4, 6, 7)
    classes, scores = th.entropy_scores(answers(), NUM_SEEN)
    limits = torch.tensor([0.03, math.inf, -math.inf, 0.05, 0.02, 0.001, 0.001])
    after, believed = th.pseudo_labels(labels, classes, scores, thresholds=limits, num_old=NUM_OLD)
    return labels, classes, scores, limits, after, believed


def test_pseudo_labels_equal_a_loop_over_pixels():
    labels, classes, scores, limits, after, _ = relabelled()
    want = labels.clone().flatten()
    for pixel, label in enumerate(labels.flatten().tolist()):
        answer = classes.flatten()[pixel]
        if label < NUM_OLD:
            want[pixel] = answer if scores.flatten()[pixel] < limits[answer] else IGNORE
    assert torch.equal(after.flatten(), want) and after.dtype == labels.dtype


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_adaptive_factor_is_as_exact_as_the_scores(dtype):
    labels, believed = torch.zeros(1, 1, 3, dtype=torch.int64), torch.tensor([[[True, False, False]]])
    method = make_method("PLOP", 1)
    method.thresholds = torch.full((method.step.num_seen,), math.inf)
    method.scores = lambda old: (labels, torch.where(believed, 0.0, torch.inf).to(dtype))
    factor = method.relabel(labels, None)[1]
    assert factor.dtype == dtype
    assert factor.double().item() == pytest.approx(1 / (3 + 1e-6), rel=1e-14 if dtype.itemsize > 4 else 1e-6)


def test_adaptive_factor_is_the_share_of_believed_pixels():
    labels, _, _, _, _, believed = relabelled()
    labels[1], labels[2] = NUM_OLD, IGNORE
    factor = th.adaptive_factor(labels, believed, num_old=NUM_OLD)
    share = believed[0][labels[0] < NUM_OLD].float().mean()
    assert factor.shape == (4, 1, 1) and factor.dtype == torch.float32
    assert factor[0].item() == pytest.approx(share.item(), rel=1e-5)
    assert factor[1] == factor[2] == 0  # no old and no background pixel: nothing is believed, as published
    assert th.adaptive_factor(labels, believed, num_old=NUM_OLD, minimum=0.9).min() == pytest.approx(0.9)


def begun(index=1, **hyper):
    method = make_method("PLOP", index, **hyper)
    method.start_increment(TinyLoader(method.step))
    return method


def test_image_of_new_classes_alone_teaches_only_by_distillation_unless_a_minimum_is_set():
    for minimum, learns in ((0.0, False), (0.5, True)):
        method = begun(adaptive_min=minimum)
        losses = method.losses(make_images(), make_labels(method.step, "only new classes"))
        assert bool(losses["ce"] > 0) == learns and losses["pod"] > 0


def test_step_0_is_plain_cross_entropy():
    method = make_method("PLOP", 0)
    assert method.losses(make_images(), make_labels(method.step, "mixed")).keys() == {"ce"}


def test_thresholds_differ_by_median():
    # Untrained teachers are uncertain: their scores spread over many bins.
    published, true = begun(num_bins=1000).thresholds, begun(num_bins=1000, true_median=True).thresholds
    assert published.shape == true.shape == (4,)
    assert not torch.equal(published, true) and true[-1] == pytest.approx(0.001)


def test_an_interrupted_step_keeps_its_thresholds_and_the_next_step_finds_its_own():
    method = begun()
    state = method.state_dict()
    resumed, following = make_method("PLOP", 1), make_method("PLOP", 2)
    for other in (resumed, following):
        other.load_state_dict(state)
    assert torch.equal(resumed.thresholds, method.thresholds) and following.thresholds is None
    resumed.start_increment(None)  # no look at the data is needed
    resumed.losses(make_images(), make_labels(resumed.step, "mixed"))


def by_domain():
    step = Step("cities", "1-1", 1, ((0, 1, 2),) * 3, has_background=False)
    method = PLOP(step)
    torch.manual_seed(0)
    method.net, method.teacher = method.build_model(step, PARTS), method.build_model(step, PARTS).eval()
    method.model = method.net
    return method


def test_by_domain_there_is_nothing_to_relabel():
    method = by_domain()
    before = method.net.cls[0].bias.clone()
    method.start_increment(None)  # looks at no data
    labels = torch.randint(3, (2, 32, 32))
    losses = method.losses(make_images(), labels)
    assert method.state_dict() == {} and torch.equal(method.net.cls[0].bias, before)
    method.net.eval()  # the same statistics twice
    losses = method.losses(make_images(), labels)
    want = F.cross_entropy(method.net(make_images()).logits, labels)
    torch.testing.assert_close(losses["ce"], want)
    assert losses["pod"] > 0


def test_growing_tasks_without_background_are_refused():
    with pytest.raises(ValueError, match="relabels background"):
        PLOP(Step("cities", "2-1", 1, ((0, 1), (2,)), has_background=False))
