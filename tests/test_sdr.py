"""SDR: its selection of features, its running means, and its terms at their limits."""

import math

import pytest
import torch

from tests.builders import make_images, make_labels, make_method
from utils.labels import IGNORE
from utils.losses import latent


@pytest.fixture
def features():
    """Body output (2, 3, 4, 4), and a class for each cell."""
    torch.manual_seed(0)
    return torch.rand(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))


def class_mean(features, labels, label):
    """Mean over the cells of a class, the long way."""
    return torch.stack([features[n, :, y, x] for n, y, x in (labels == label).nonzero().tolist()]).mean(0)


def test_the_corrected_selection_has_the_features_of_each_cell(features):
    sums, counts = latent.sums_of_classes(*latent.select(*features), 3)
    for label in range(3):
        torch.testing.assert_close(sums[label] / counts[label], class_mean(*features, label))


def test_the_published_selection_is_right_for_one_image_and_mixes_channels_of_two(features):
    maps, labels = features
    one = latent.sums_of_classes(*latent.published_select(maps[:1], labels[:1]), 3)
    torch.testing.assert_close(one, latent.sums_of_classes(*latent.select(maps[:1], labels[:1]), 3))
    both = latent.sums_of_classes(*latent.published_select(maps, labels), 3)[0]
    right = latent.sums_of_classes(*latent.select(maps, labels), 3)[0]
    assert not torch.allclose(both, right)
    torch.testing.assert_close(both.sum(1), right.sum(1))  # the same numbers, in other places


def test_running_means_are_those_of_all_batches_together(features):
    maps, labels = features
    state = torch.zeros(3, 3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for pair in zip(maps.split(1), labels.split(1), strict=True):
        state = latent.update_prototypes(*state, *latent.select(*pair), background=True)
    wanted = torch.stack([class_mean(*features, label) for label in range(3)]).double()
    torch.testing.assert_close(state[0], wanted)
    assert state[1].sum() == labels.numel()


@pytest.mark.parametrize(
    ("setting", "index", "recorded"),
    [("overlap", 0, False), ("overlap", 1, False), ("disjoint", 0, True), ("disjoint", 1, False),
     ("sequential", 1, True)],
)  # fmt: skip
def test_background_has_a_mean_where_it_hides_no_class(setting, index, recorded):
    method = make_method("SDR", index)
    method.setting = setting
    method.losses(make_images(), make_labels(method.step, "mixed"))
    assert bool(method.counts[0] > 0) == recorded and method.counts[method.step.num_old or 1 :].all()


def test_means_grow_with_the_classes_and_go_on():
    before = make_method("SDR", 0)
    before.losses(make_images(), make_labels(before.step, "mixed"))
    after = make_method("SDR", 1)
    after.load_state_dict(before.state_dict())
    assert torch.equal(after.prototypes[:3], before.prototypes) and not after.prototypes[3:].any()


def test_earlier_classes_fade_from_the_attraction():
    cells, classes = torch.tensor([[1.0], [1.0]]), torch.tensor([0, 2])
    prototypes = torch.tensor([[0.0], [5.0], [0.0]])
    assert latent.attraction(cells, classes, prototypes) == pytest.approx((1 / 2 + 1) / 2)
    assert latent.attraction(cells, classes, prototypes, background=False) == pytest.approx(1)


def test_one_class_repels_nothing_and_two_by_the_inverse_of_their_distance():
    cells = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    assert latent.repulsion(cells, torch.tensor([1, 1]), 3) == 0
    assert latent.repulsion(cells, torch.tensor([1, 2]), 3) == pytest.approx(1 / 5)


def test_matching_asks_old_classes_alone():
    cells, classes = torch.tensor([[9.0], [2.0], [9.0], [9.0]]), torch.tensor([0, 1, 3, IGNORE])
    assert latent.matching(cells, classes, torch.tensor([[0.0], [0.0], [0.0]])) == pytest.approx(4)


def test_sparsity_is_exp_over_sum_of_scaled_features_and_leaves_dead_cells_out():
    classes = torch.zeros(2, dtype=torch.long)
    alive, dead = torch.tensor([[4.0, 2.0]]), torch.tensor([[-1.0, 0.0]])
    wanted = pytest.approx((math.exp(1) + math.exp(0.5)) / 1.5)
    assert latent.sparsity(alive, classes[:1]) == wanted
    assert latent.sparsity(torch.cat([alive, dead]), classes) == wanted


def test_the_teacher_names_old_classes_unless_labels_do():
    method = make_method("SDR", 1)
    labels = make_labels(method.step, "only background")
    out = method.net(make_images())
    grid, guess = method.grid(out, labels), torch.zeros(2, 3, 4, 4)
    guess[:, 2] = 1
    assert (method.named(grid, labels, guess) == 2).all()
    method.setting = "sequential"
    assert (method.named(grid, labels, guess) == 0).all()
