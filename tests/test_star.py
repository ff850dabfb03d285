"""STAR: its statistics, its plan of replay, its network, and whom it refuses."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from methods.star import STAR
from tests.builders import TinyLoader, make_images, make_labels, make_method
from utils.losses.cells import Cells
from utils.losses.prototype_replay import Gathering, prototype_distillation, replay_plan, seen_classes


@pytest.fixture
def star():
    """STAR at the start of step 1."""
    method = make_method("STAR", 1)
    method.start_increment(TinyLoader(method.step))
    method.net.train()
    return method


@pytest.mark.parametrize("size", [(64, 48), (33, 65)])
def test_cells_see_what_interpolation_reads(size):
    torch.manual_seed(0)
    cells, (h, w) = Cells(size, (4, 3), torch.device("cpu")), (4, 3)
    masks, logits = torch.rand(2, 5, *size) > 0.5, torch.randn(2, 3, 4, 3)
    reduced = F.interpolate(masks.double(), (h, w), mode="bilinear", align_corners=False)
    torch.testing.assert_close(cells.reduce(cells.corners(masks), torch.float64), reduced)
    nearest = F.interpolate(masks.double(), (h, w), mode="nearest")
    assert torch.equal(cells.nearest(masks).double(), nearest)
    large = F.interpolate(logits, size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(cells.centre_logits(logits), cells.centre(large))
    torch.testing.assert_close(cells.corner_logits(logits), cells.corners(large))
    torch.testing.assert_close(cells.nearest_logits(logits), cells.nearest(large))


def test_centres_lie_half_a_stride_inside():
    rows = torch.arange(64).expand(48, 64)
    cells = Cells((48, 64), (3, 4), torch.device("cpu"))
    assert cells.centre(rows)[0].tolist() == [8, 24, 40, 56]


def test_a_class_wins_only_where_its_sigmoid_exceeds_one_half(star):
    out = star.net(make_images())
    assert not out.logits[:, 0].any() and not star.net.cls[0].weight.requires_grad
    predicted, best = star.predict(out.logits), out.logits[:, 1:].max(1).values
    assert torch.equal(predicted > 0, best.sigmoid() > 0.5)


def test_the_newest_classifier_learns_fastest_and_everything_decays(star):
    groups = star.param_groups(0.1, 1e-4)
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert rates[id(star.net.cls[-1].weight)] == pytest.approx(10.0)
    assert rates[id(star.net.cls[1].weight)] == pytest.approx(1.0)
    assert rates[id(star.net.body.mod1.conv1.weight)] == pytest.approx(0.1)
    assert {group["weight_decay"] for group in groups} == {1e-4}


def test_statistics_do_not_depend_on_how_the_cells_are_cut_into_batches():
    torch.manual_seed(0)
    features, classes = torch.rand(4, 5, 3, 3), torch.randint(-1, 3, (4, 3, 3))
    at_once, in_turn = (Gathering(3, 5, torch.device("cpu")) for _ in range(2))
    at_once.add(features, classes)
    for pair in zip(features.split(1), classes.split(1), strict=True):
        in_turn.add(*pair)
    one, other = at_once.finish()[0], in_turn.finish()[0]
    torch.testing.assert_close(vars(one), vars(other))


def test_the_published_noise_is_right_where_there_are_no_old_classes_and_too_large_elsewhere():
    torch.manual_seed(0)
    gathering = Gathering(2, 6, torch.device("cpu"))
    gathering.add(torch.rand(2, 6, 4, 4), torch.randint(0, 2, (2, 4, 4)))
    alone = [gathering.finish(published=published)[0] for published in (True, False)]
    assert torch.equal(alone[0].noise, alone[1].noise)
    opposite = type(alone[0])(-alone[0].prototypes, alone[0].norms, alone[0].noise)
    published, corrected = (gathering.finish(opposite, published=p)[0].noise[2:] for p in (True, False))
    assert torch.equal(corrected, alone[0].noise) and (published > corrected).all()


def test_replay_makes_up_for_what_is_missing_in_the_images():
    old, seen = torch.tensor([1000.0, 90, 40]), torch.tensor([500.0, 30, 60])
    plan = replay_plan(old, seen, num_new=5, batches=10, disjoint=False)
    assert plan.counts == [6, 0] and plan.ratio == pytest.approx(950 / 500 - 0.5)
    assert plan.numbers.tolist() == [950 + 250, 90, 40]
    plan = replay_plan(old, seen, num_new=5, batches=10, disjoint=True)
    assert plan.counts == [9, 4] and plan.ratio == pytest.approx(2)
    assert plan.numbers.tolist() == [1500, 120, 100]


def test_a_teacher_that_sees_a_class_everywhere_divides_nothing_by_zero():
    plan = replay_plan(torch.tensor([8.0, 1]), torch.tensor([0.0, 5]), num_new=1, batches=1, disjoint=False)
    assert plan.counts == [0] and plan.ratio < 8


def test_the_teacher_sees_by_logits_not_by_probabilities():
    logits = torch.tensor([0.4, 0.6]).view(1, 1, 1, 2)  # both probabilities exceed one half
    assert seen_classes(logits).tolist() == [[[0, 1]]]


def test_without_a_region_nothing_is_distilled():
    features = torch.rand(1, 3, 2, 2, requires_grad=True)
    loss = prototype_distillation(features, torch.rand(1, 3, 2, 2), torch.zeros(1, 2, 2))
    loss.backward()
    assert loss == 0 and not features.grad.any()


def test_old_classifiers_learn_nothing_and_the_newest_from_replayed_features(star):
    star.plan = type(star.plan)([5, 5], 0.0, star.plan.numbers)
    labels = make_labels(star.step, "all ignored")
    star.losses(make_images(), labels)["mbce"].backward()
    assert not star.net.cls[1].weight.grad.any() and star.net.cls[-1].weight.grad.any()


def test_an_interrupted_step_keeps_its_plan(star):
    again = make_method("STAR", 1)
    again.load_state_dict(star.state_dict())
    again.make_plan = None  # would be called in vain
    again.start_increment(TinyLoader(again.step))
    assert vars(again.plan).keys() == vars(star.plan).keys() and again.plan.counts == star.plan.counts


def test_step_0_of_another_method_is_refused_with_the_cure():
    method = make_method("STAR", 1)
    stranger = STAR(method.step)
    stranger.load_state_dict({})
    with pytest.raises(ValueError, match="train that with --method STAR"):
        stranger.start_increment(TinyLoader(method.step))


def test_the_sequential_setting_is_refused_with_the_cure():
    data = SimpleNamespace(setting="sequential", train=None)
    with pytest.raises(ValueError, match="use overlap"):
        make_method("STAR", 0).train_set(data)
