"""FT, DFT*, LwF, LwF-MC, ILT, MiB, UCD and REMINDER: what each promises beyond the contract."""

import copy
import sys

import pytest
import torch

from methods import METHODS
from tasks import Step
from tests.builders import GROUPS, TinyLoader, make_images, make_labels, make_method
from train import Training, optimizer_step, start
from utils.losses.class_similarity import class_means
from utils.losses.pixel_means import plain_means


# -- distillation ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("FT", {"ce"}),
        ("LWF", {"ce", "kd"}),
        ("LWF-MC", {"bce", "kd"}),
        ("ILT", {"ce", "kd", "de"}),
        ("MiB", {"unce", "unkd"}),
        ("UCD", {"unce", "unkd", "contrast"}),
        ("REMINDER", {"ce", "pod", "csw"}),
    ],
)
def test_terms_of_each_loss(name, terms):
    first = make_method(name, 0)
    assert len(first.losses(make_images(), make_labels(first.step, "mixed"))) == 1
    method = make_method(name, 1)
    method.start_increment(TinyLoader(method.step))
    assert set(method.losses(make_images(), make_labels(method.step, "mixed"))) == terms


def test_encoder_distillation_is_zero_where_student_is_teacher():
    method = make_method("ILT", 1)
    method.net.eval()
    assert method.losses(make_images(), make_labels(method.step, "mixed"))["de"] < 1e-12  # rounding


def test_new_rows_and_background_share_the_old_background_probability():
    method = make_method("MiB", 1)
    features = torch.randn(2, method.net.head.out_channels, 3, 4)
    before = sum(c(features).exp().sum(1) for c in method.net.cls[:1])
    background = method.net.cls[0](features)[:, 0].exp()
    method.start_increment(TinyLoader(method.step))
    logits = method.net.classify(features)
    torch.testing.assert_close(logits.exp().sum(1), before)
    torch.testing.assert_close(logits[:, 0].exp() + logits[:, 3:].exp().sum(1), background)
    assert not torch.equal(method.teacher.cls[0].bias, method.net.cls[0].bias)


@pytest.mark.parametrize("name", ["MiB", "UCD", "REMINDER"])
def test_methods_for_growing_tasks_refuse_others(name):
    with pytest.raises(ValueError, match="new classes"):
        METHODS[name](Step("cityscapes", "11-1", 0, GROUPS[:1] * 2))


@pytest.mark.parametrize("name", ["LWF", "LWF-MC", "ILT", "EWC"])
def test_methods_for_any_task_accept_domains(name):
    METHODS[name](Step("cityscapes", "11-1", 1, GROUPS[:1] * 2, has_background=False))


# -- DFT* -----------------------------------------------------------------------------------------------
def test_background_row_stays_frozen_after_step_0_and_future_rows_learn():
    first = make_method("DFT*", 0)
    assert [classifier.out_channels for classifier in first.net.cls] == [3, 1, 2]
    assert all(parameter.requires_grad for parameter in first.net.parameters())
    method = make_method("DFT*", 1)
    method.start_increment(TinyLoader(method.step))
    before = copy.deepcopy(method.net.state_dict())
    progress = start(method, Training(epochs=1, lr=0.1), batches=20, device=torch.device("cpu"))
    sum(method.losses(make_images(), make_labels(method.step, "mixed")).values()).backward()
    optimizer_step(method, progress)
    moved = {key for key, value in method.net.state_dict().items() if not torch.equal(value, before[key])}
    assert moved == {"cls.1.weight", "cls.1.bias", "cls.2.weight", "cls.2.bias"}


def test_frozen_features_record_no_graph():
    method = make_method("DFT*", 1)
    method.start_increment(TinyLoader(method.step))
    out = method.model(make_images())
    assert not out.features.requires_grad and out.logits_small.requires_grad


# -- REMINDER -------------------------------------------------------------------------------------------
def test_prototypes_are_the_mean_over_batches_and_are_handed_on():
    method = make_method("REMINDER", 2)
    method.earlier = torch.arange(3.0)[:, None].expand(3, method.net.head.out_channels)
    method.previous_batches = lambda loader, device: [
        (make_images(), make_labels(method.step.at(1), kind))
        for kind in ("mixed", "only background", "mixed")
    ]
    found = method.find_prototypes(None)
    assert found.shape == (method.step.num_old, method.net.head.out_channels)
    assert torch.equal(found[:3], method.earlier)
    features = method.old(make_images()).features
    means, _ = class_means(features, make_labels(method.step.at(1), "mixed"), range(3, 4))
    torch.testing.assert_close(found[3:], means)  # a batch without the class has no vote
    method.prototypes = found
    follower = make_method("REMINDER", 2)
    follower.load_state_dict(method.state_dict())
    assert torch.equal(follower.prototypes, found)


@pytest.mark.slow
# -- fast paths -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["LWF", "LWF-MC", "MiB"])
def test_twenty_iterations_are_the_same_with_the_losses_taken_all_at_once(name, monkeypatch):
    def run():  # with less images or more speed, batch norms would make rounding errors grow beyond any bound
        method = make_method(name, 1)
        method.start_increment(TinyLoader(method.step))
        progress = start(method, Training(epochs=1, lr=0.00002), batches=20, device=torch.device("cpu"))
        totals = []
        for seed in range(20):
            images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
            total = sum(method.losses(images, make_labels(method.step, "mixed", 8)).values())
            total.backward()
            optimizer_step(method, progress)
            totals.append(total.detach())
        return torch.stack(totals)

    fast = run()
    monkeypatch.setattr(sys.modules[METHODS[name].__module__], "pixel_means", plain_means)
    torch.testing.assert_close(fast, run(), rtol=1e-5, atol=0.0)
