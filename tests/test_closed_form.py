"""Classifiers in closed form: what they equal, and what they do not depend on. No reference is needed."""

import pytest
import torch

from dataset.loader import make_loader
from experiment import checkpoint
from methods import METHODS
from methods.build import build_method
from tasks import Step
from tests.worlds import GROUPS, PARTS, SIZE, TinyLoader, make_images, make_method
from train import Training
from utils.labels import IGNORE
from utils.losses.closed_form import linear_discriminant, nearest_mean, recursive_ridge, ridge
from utils.losses.moments import Moments

UNTRAINED = {
    "SegACIL": {"sgd": False, "num_random": 64},
    "RIDGE": {"sgd": False},
    "PROTOTYPES": {},
    "LDA": {},
}
closed_form = pytest.mark.parametrize("name", UNTRAINED)


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


# -- steps --------------------------------------------------------------------------------------------------
def build(name: str, step: Step, previous=None, **hyper):
    torch.manual_seed(3)
    training, device = Training(epochs=1, lr=0.01), torch.device("cpu")
    return build_method(name, step, PARTS, hyper=hyper, training=training, device=device, previous=previous)


def after_steps(name: str, groups, **hyper):
    """The method after a task of which every image shows the classes of its group alone, nothing hidden."""
    previous = None
    for index, group in enumerate(groups):
        method = build(name, Step("test", "task", index, groups), previous, **hyper)
        method.hides = False
        loader = TinyLoader(method.step)
        for number, (images, _) in enumerate(loader.batches):
            generator = torch.Generator().manual_seed(100 * group[-1] + number)
            images.random_(0, 256, generator=generator)
            drawn = torch.tensor(group)[torch.randint(len(group), (2, SIZE, SIZE), generator=generator)]
            order = torch.tensor(method.step.order)
            loader.batches[number] = images, (drawn[..., None] == order).int().argmax(-1).byte()
        if index:
            method.start_increment(loader)
        assert method.fit_step(loader)
        previous = {"step": index, "net": method.net.state_dict(), "method_state": method.state_dict()}
    return method


def rows(net) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.cat([c.weight.flatten(1) for c in net.cls]), torch.cat([c.bias for c in net.cls])


@closed_form
def test_the_order_of_the_steps_does_not_matter(name):
    one = after_steps(name, ((0, 1, 2), (3,), (4, 5)), **UNTRAINED[name])
    other = after_steps(name, ((0, 1, 2), (4, 5), (3,)), **UNTRAINED[name])
    where = [other.step.order.index(label) for label in one.step.order]
    for want, got in zip(rows(one.net), rows(other.net), strict=True):
        torch.testing.assert_close(got[where], want, rtol=1e-4, atol=1e-5)


@closed_form
def test_sequential_steps_end_where_all_classes_at_once_do(cli, tmp_path, name):
    hyper = [word for key, value in UNTRAINED[name].items() for word in flag(key, value)]
    for task in ("4-1", "offline"):
        words = ["--method", name, "--task", task, "--setting", "sequential", *hyper]
        status, _, err = cli(*words)
        assert status == 0, err
    steps, joint = (
        checkpoint.load(
            next(tmp_path.glob(f"checkpoints/small_{task}_sequential/*_tiny")) / f"step_{last}.pt"
        )
        for task, last in (("4-1", 2), ("offline", 0))
    )
    for key, want in joint["method_state"].items():
        torch.testing.assert_close(steps["method_state"][key], want, rtol=1e-6, atol=1e-6)
    for kind in ("weight", "bias"):
        got = torch.cat([steps["net"][f"cls.{k}.{kind}"] for k in range(3)])
        torch.testing.assert_close(got, joint["net"][f"cls.0.{kind}"], rtol=1e-3, atol=1e-4)


def flag(name: str, value) -> list[str]:
    """On the command line."""
    return (
        [f"--{name}" if value else f"--no-{name}"] if isinstance(value, bool) else [f"--{name}", str(value)]
    )


@pytest.mark.parametrize("name", ["SegACIL", "RIDGE"])
def test_after_sgd_later_steps_add_to_what_step_0_gathered(name):
    method = make_method(name, 1, num_random=32 if name == "SegACIL" else 0)
    before, loader = method.moments, TinyLoader(method.step)
    method.start_increment(loader)
    assert method.fit_step(loader) and method.net.learner is None
    alone = method.gather(loader)
    torch.testing.assert_close(method.moments.products, before.products + alone.products)
    torch.testing.assert_close(
        method.moments.counts, torch.cat([before.counts, torch.zeros(1)]) + alone.counts
    )
    want = ridge(method.moments, gamma=method.gamma)
    torch.testing.assert_close(rows(method.net)[0], want.float())


@pytest.mark.parametrize("name", ["PROTOTYPES", "LDA"])
def test_later_steps_learn_no_background_unless_nothing_hides_in_it(name):
    for hides in (True, False):
        method = make_method(name, 1)
        before, method.hides = method.moments.counts, hides
        method.fit_step(TinyLoader(method.step))
        gained = method.moments.counts - torch.cat([before, torch.zeros(1)])
        assert (gained[0] > 0) is not hides
        assert gained[1:3].sum() == 0 and gained[3] > 0


def test_prototypes_of_old_classes_stay_to_the_last_bit():
    method = make_method("PROTOTYPES", 1)
    before = method.net.cls[0].weight.clone()
    method.fit_step(TinyLoader(method.step))
    assert torch.equal(method.net.cls[0].weight, before) and before.any()


@pytest.mark.parametrize("name", ["PROTOTYPES", "LDA"])
def test_without_sgd_the_body_is_frozen_from_the_start_and_nothing_trains_but_rows(name):
    method = make_method(name, 0)
    method.net.train()
    assert {key.split(".")[0] for key, p in method.net.named_parameters() if p.requires_grad} == {"cls"}
    assert not method.net.body.training
    before = {key: value.clone() for key, value in method.net.body.state_dict().items()}
    assert method.fit_step(TinyLoader(method.step))
    assert all(torch.equal(value, before[key]) for key, value in method.net.body.state_dict().items())


def test_step_0_is_trained_by_a_classifier_that_the_closed_form_replaces():
    method = make_method("SegACIL", 0, num_random=32)
    groups = method.param_groups(0.001, 1e-4)
    assert [group["lr"] for group in groups] == [0.001, 0.01]
    trained = {id(p) for group in groups for p in group["params"]}
    assert trained == {
        id(p) for part in ("body", "head", "learner") for p in getattr(method.net, part).parameters()
    }
    method.net.train()
    sum(method.losses(make_images(), torch.zeros(2, SIZE, SIZE, dtype=torch.long)).values()).backward()
    assert method.net.learner.weight.grad.any() and method.net.cls[0].weight.grad is None
    assert not method.fit_step(TinyLoader(method.step))
    method.end_increment(TinyLoader(method.step))
    method.net.eval()
    assert method.net.cls[0].weight.any()
    assert method.net(make_images()).features.shape[1] == 32


def test_sure_old_classes_replace_the_background_where_asked():
    method = make_method("RIDGE", 1, relabel=True, threshold=0.65)
    method.net.cls[0].weight.data.normal_()
    out = method.net.eval()(make_images())
    labels = torch.zeros(2, SIZE, SIZE, dtype=torch.long)
    scores, want = out.logits[:, :3].max(1)
    relabelled = method.targets(labels, out)
    assert torch.equal(relabelled, torch.where(scores >= 0.65, want, 0))
    assert relabelled.any() and not relabelled.all()
    method.relabel = False
    assert torch.equal(method.targets(labels, out), labels)


# -- mistakes -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "hyper", "words"),
    [
        ("RIDGE", {"gamma": 0.0}, "--gamma 0.0 must be above 0"),
        ("SegACIL", {"num_random": -1}, "--num_random -1"),
        ("LDA", {"shrinkage": 0.0}, "--shrinkage 0.0"),
    ],
)
def test_values_without_a_solution_are_refused(name, hyper, words):
    with pytest.raises(ValueError, match=words):
        METHODS[name](Step("test", "2-1", 0, GROUPS), **hyper)


def test_balance_cannot_change_within_a_task():
    method = make_method("RIDGE", 1)
    method.balance = True
    with pytest.raises(ValueError, match="--balance is for all steps"):
        method.start_increment(TinyLoader(method.step))


def test_features_that_are_not_finite_are_reported():
    method = make_method("LDA", 0)
    next(method.net.body.parameters()).data.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="--precision fp32"):
        method.fit_step(TinyLoader(method.step))
