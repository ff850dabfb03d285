"""Classifiers in closed form: what they equal, and what they do not depend on. No reference is needed."""

import pytest
import torch

from dataset.loader import make_loader
from experiment import checkpoint
from tests.published_only import recursive_ridge
from utils.labels import IGNORE
from utils.losses.closed_form import linear_discriminant, nearest_mean, ridge
from utils.losses.moments import Moments


def world(
    num_classes: int, *, seed: int = 0, n: int = 6, width: int = 5
) -> tuple[torch.Tensor, torch.Tensor]:
    """Features (n, width, 4, 4) that lean towards their classes, and labels (n, 12, 12) with some ignored."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(num_classes, (n, 4, 4), generator=generator)
    towards = torch.randn(num_classes, width, generator=torch.Generator().manual_seed(9))
    noise = torch.randn(n, width, 4, 4, generator=generator)
    labels[0, 0] = IGNORE
    features = towards[labels % num_classes].movedim(-1, 1) + 0.3 * noise
    return features.double(), labels.repeat_interleave(3, 1).repeat_interleave(3, 2)


def moments_of(*batches, num_classes: int, num_products: int = 1) -> Moments:
    moments = Moments.zeros(num_classes, batches[0][0].shape[1], num_products=num_products)
    for features, labels in batches:
        moments.add(features, labels)
    return moments


# -- the formulas -------------------------------------------------------------------------------------------
def test_batch_by_batch_recursion_and_one_solution_are_the_same():
    batches = [world(4, seed=seed) for seed in range(3)]
    inverse, weight = torch.eye(5).double() / 0.5, torch.zeros(4, 5).double()
    for features, labels in batches:
        inverse, weight = recursive_ridge(inverse, weight, features, labels)
    torch.testing.assert_close(weight, ridge(moments_of(*batches, num_classes=4), gamma=0.5))


def test_balance_makes_an_image_shown_twice_count_once():
    first, again = world(3, seed=1), world(3, seed=1)
    once, twice = (
        moments_of(*some, num_classes=3, num_products=3) for some in ([first], [first, again, first])
    )
    torch.testing.assert_close(ridge(once, gamma=1.0), ridge(twice, gamma=1.0))
    assert not torch.allclose(
        ridge(moments_of(first, num_classes=3), gamma=1.0),
        ridge(moments_of(first, again, num_classes=3), gamma=1.0),
        rtol=1e-3,
    )


def test_discriminants_with_round_covariance_rank_by_distance_to_the_means():
    features, labels = world(4)
    moments = moments_of((features, labels), num_classes=4)
    weight, bias = linear_discriminant(moments, shrinkage=1.0)
    cells = features.movedim(1, -1).flatten(0, 2)
    distance = torch.cdist(cells, moments.sums / moments.counts[:, None])
    assert torch.equal((cells @ weight.T + bias).argmax(1), distance.argmin(1))


def test_discriminants_are_those_of_gaussians_up_to_a_term_of_the_cell():
    features, labels = world(4)
    moments = moments_of((features, labels), num_classes=4)
    x = features.movedim(1, -1).flatten(0, 2)
    y = labels[:, ::3, ::3].flatten()
    used, classes = x[y != IGNORE], y[y != IGNORE]
    means = torch.stack([used[classes == c].mean(0) for c in range(4)])
    covariance = (used - means[classes]).T @ (used - means[classes]) / len(used)
    covariance = 0.9 * covariance + 0.1 * covariance.trace() / 5 * torch.eye(5)
    priors = torch.stack([(classes == c).double().mean() for c in range(4)])
    want = torch.stack(
        [
            torch.distributions.MultivariateNormal(m, covariance).log_prob(x) + p.log()
            for m, p in zip(means, priors, strict=True)
        ],
        1,
    )
    weight, bias = linear_discriminant(moments, shrinkage=0.1, priors=True)
    torch.testing.assert_close((x @ weight.T + bias).log_softmax(1), want.log_softmax(1))


def test_a_class_without_a_cell_never_wins():
    features, labels = world(3)
    moments = moments_of((features, labels), num_classes=5)
    x = features.movedim(1, -1).flatten(0, 2)
    for weight, bias in (nearest_mean(moments), linear_discriminant(moments, shrinkage=1e-4)):
        assert weight.isfinite().all() and bias.isfinite().all()
        assert (x @ weight.T + bias).argmax(1).max() < 3


def test_nothing_to_learn_from_gives_finite_classifiers():
    nothing = moments_of((torch.randn(2, 5, 4, 4), torch.full((2, 8, 8), IGNORE)), num_classes=3)
    assert nothing.counts.sum() == 0
    for weight in (
        ridge(nothing, gamma=1.0),
        *nearest_mean(nothing),
        *linear_discriminant(nothing, shrinkage=0.5),
    ):
        assert weight.isfinite().all()


# -- the state ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("num_products", [0, 1, 4])
def test_moments_survive_a_checkpoint_with_half_of_each_matrix(num_products, tmp_path):
    moments = moments_of(world(4), num_classes=4, num_products=num_products)
    checkpoint.save(moments.state_dict(), tmp_path / "a.pt")
    loaded = checkpoint.load(tmp_path / "a.pt")
    assert loaded["products"].shape == (num_products, 5 * 6 // 2)
    again = Moments.from_state(loaded)
    for name, want in vars(moments).items():
        torch.testing.assert_close(getattr(again, name), want)


@pytest.mark.parametrize("num_products", [0, 1, 4])
def test_batches_in_any_cut_and_order_add_up_to_the_same_moments(num_products, monkeypatch):
    (features, labels), more = world(4), world(4, seed=1)
    together = moments_of((features, labels), more, num_classes=4, num_products=num_products)
    monkeypatch.setattr("utils.losses.moments.CELLS", 7)
    parts = [(features[k : k + 1], labels[k : k + 1]) for k in (5, 2, 0, 1, 4, 3)]
    apart = moments_of(more, *parts, num_classes=4, num_products=num_products)
    for name, want in vars(together).items():
        torch.testing.assert_close(getattr(apart, name), want)


def test_a_complete_pass_leaves_no_image_out_on_any_number_of_processes(monkeypatch):
    images = [(torch.full((3, 2, 2), k, dtype=torch.uint8), torch.zeros(2, 2)) for k in range(11)]

    class Numbered(list):
        same_size = True

        def __getitem__(self, key):
            return super().__getitem__(key[1])

    for world_size in (1, 2):
        seen = []
        for rank in range(world_size):
            monkeypatch.setattr("dataset.loader.rank", lambda rank=rank: rank)
            monkeypatch.setattr("dataset.loader.world_size", lambda size=world_size: size)
            loader = make_loader(Numbered(images), 4, train=True)
            loader.batch_sampler.seek(0, complete=True)
            seen += [int(image[0, 0, 0]) for batch, _ in loader for image in batch]
            loader.batch_sampler.seek(0)
            assert sum(len(batch) for batch, _ in loader) == {1: 8, 2: 4}[world_size]
        assert sorted(seen) == list(range(11))
