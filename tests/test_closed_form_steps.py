"""Closed-form methods over the steps of a task: what depends on how it is cut, and what does not."""

import pytest
import torch

from experiment import checkpoint
from methods import METHODS
from methods.build import build_method, step0_as
from tasks import Step
from tests.builders import GROUPS, PARTS, SIZE, TinyLoader, make_images, make_method
from train import Training
from utils.losses.closed_form import ridge

pytestmark = pytest.mark.slow

UNTRAINED = {
    "SegACIL": {"sgd": False, "num_random": 64},
    "RIDGE": {"sgd": False},
    "PROTOTYPES": {},
    "LDA": {},
}
closed_form = pytest.mark.parametrize("name", UNTRAINED)


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


@closed_form
def test_each_trains_a_step_0_that_no_other_method_may_continue(name):
    assert step0_as(METHODS[name]) == name


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
