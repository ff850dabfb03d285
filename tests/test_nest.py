"""NeST: where new classifiers begin, and what pre-tuning leaves as it was."""

import copy

import pytest
import torch
import torch.nn.functional as F

from methods import METHODS, hyper_parameters
from tests.builders import SilentLog, TinyLoader, make_method
from train import Training, fit
from utils.labels import IGNORE
from utils.losses import weight_transfer
from utils.losses.pixelwise import unbiased_cross_entropy
from utils.losses.weight_transfer import WeightTransfer, count_votes, pretune, vote

NUM_OLD, NUM_NEW, CHANNELS = 4, 3, 6


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def transfer_of(seed=0):
    importance, projection = drawn(NUM_NEW, NUM_OLD, CHANNELS, seed=seed), drawn(NUM_NEW, NUM_OLD, seed=seed)
    return WeightTransfer(importance, projection, drawn(NUM_NEW, seed=seed))


def test_votes_equal_the_products_of_every_pixel():
    weight, p, features = drawn(NUM_OLD, CHANNELS), drawn(NUM_OLD, 50).softmax(0), drawn(CHANNELS, 50, seed=1)
    weight[0, 0], features[:, 3] = 0, 0  # a product that is 0 is no vote
    new = torch.tensor([-4, 0, 2, IGNORE - NUM_OLD, 0]).repeat(10)
    sums, counts = torch.zeros(NUM_NEW, NUM_OLD, CHANNELS).double(), torch.zeros(NUM_NEW).double()
    count_votes(p, features, new, weight, sums=sums, counts=counts)
    votes = p[:, None] * (features[None] * weight[:, :, None] > 0)  # (K, D, U)
    want = torch.stack([votes[:, :, new == c].sum(2) for c in range(NUM_NEW)])
    torch.testing.assert_close(sums, want)
    assert counts.tolist() == [20, 0, 10]


def test_class_without_a_pixel_starts_as_the_mean_of_the_old_ones():
    batch = drawn(1, CHANNELS, 4, 4), torch.full((1, 16, 16), NUM_OLD)
    with pytest.warns(UserWarning, match="no training pixel of new class 5, 6"):
        importance, projection = vote(
            [batch], drawn(NUM_OLD, CHANNELS), drawn(NUM_OLD), num_new=NUM_NEW, grid=(8, 8)
        )
    assert importance.isfinite().all() and projection.isfinite().all()
    assert (importance[1:] == 1).all() and (projection[1:] == 1 / NUM_OLD).all()
    assert importance[0].max() < 1
    torch.testing.assert_close(projection.sum(1), torch.ones(NUM_NEW, dtype=torch.float64))


def test_transferred_rows_equal_the_loop():
    transfer, weight = transfer_of(), drawn(NUM_OLD, CHANNELS, seed=2)
    for c, row in enumerate(transfer.new_rows(weight)):
        want = sum(transfer.projection[c, k] * transfer.importance[c, k] * weight[k] for k in range(NUM_OLD))
        torch.testing.assert_close(row, want)


def tuned(iterations, lr=0.1):
    transfer = transfer_of()
    batches = [(drawn(2, CHANNELS, 4, 4, seed=i), torch.randint(7, (2, 9, 9))) for i in range(iterations)]
    losses = pretune(
        transfer,
        batches,
        drawn(NUM_OLD, CHANNELS, seed=2),
        drawn(NUM_OLD, seed=3),
        lr=lr,
        iterations=iterations,
    )
    return transfer, losses


def test_last_iteration_of_pretuning_has_learning_rate_zero():
    assert tuned(0)[1].shape == (0,)
    for name, tensor in tuned(1)[0].state_dict().items():
        assert torch.equal(tensor, transfer_of().state_dict()[name]), name
    for name, tensor in tuned(2)[0].state_dict().items():
        assert not torch.equal(tensor, transfer_of().state_dict()[name]), name


def test_pretuning_lowers_the_loss():
    torch.manual_seed(0)
    transfer, batch = transfer_of(), (drawn(2, CHANNELS, 4, 4), torch.randint(7, (2, 9, 9)))
    losses = pretune(transfer, [batch] * 30, drawn(NUM_OLD, CHANNELS), drawn(NUM_OLD), lr=0.1, iterations=30)
    assert losses[-1] < losses[0]


def test_gradients_are_averaged_over_processes(monkeypatch):
    torch.manual_seed(0)
    want = tuned(3)[0].state_dict()
    torch.manual_seed(0)
    monkeypatch.setattr(weight_transfer, "all_reduce_sum", lambda tensor: tensor.mul_(2))
    monkeypatch.setattr(weight_transfer, "world_size", lambda: 2)
    for name, tensor in tuned(3)[0].state_dict().items():
        torch.testing.assert_close(tensor, want[name], msg=name)


def test_diverging_pretuning_names_the_cure():
    with pytest.raises(FloatingPointError, match="--warm_lr_scale"):
        tuned(20, lr=1e300)


def before_and_after(name, index=2, **hyper):
    method = make_method(name, index, **hyper)
    before = copy.deepcopy(method.net)
    method.start_increment(TinyLoader(method.step))
    return method, before


@pytest.fixture(scope="module")
def begun():
    """MiB+NeST at step 2, and its network before pre-tuning."""
    return before_and_after("MiB+NeST")


def rows(net):
    return torch.cat([cls.weight.detach().flatten(1) for cls in net.cls])


def test_of_the_old_classifiers_only_the_backgrounds_direction_changes(begun):
    method, before = begun
    old, new, num_old = rows(before), rows(method.net), method.step.num_old
    assert torch.equal(new[1:num_old], old[1:num_old])
    assert not torch.equal(new[0], old[0])
    torch.testing.assert_close(new[0].norm(), old[0].norm())
    for got, want in zip(method.net.cls[:-1], before.cls[:-1], strict=True):
        assert torch.equal(got.bias, want.bias)  # no share of the background's probability is given away


def test_new_classifiers_have_the_norms_of_the_old_ones(begun):
    method, _ = begun
    norms = rows(method.net).norm(dim=1)
    torch.testing.assert_close(norms[method.step.num_old :].mean(), norms[: method.step.num_old].mean())
    old = torch.cat([cls.bias for cls in method.net.cls[:-1]])
    torch.testing.assert_close(method.net.cls[-1].bias.norm(), old.norm())


def test_pretuning_leaves_nothing_but_classifiers_and_norm_statistics(begun):
    method, before = begun
    assert method.net.state_dict().keys() == before.state_dict().keys()
    assert method.state_dict() == {"step": method.step.index}  # that it is done
    for (key, got), want in zip(method.net.named_parameters(), before.parameters(), strict=True):
        assert got.requires_grad and got.grad is None, key
        assert torch.equal(got, want) or key.startswith("cls."), key
    assert method.net.training and not method.teacher.training


def moved_statistics(method, before):
    old = dict(before.named_buffers())
    return any(not torch.equal(buffer, old[key]) for key, buffer in method.net.named_buffers())


def test_norm_statistics_move_unless_pretuned_in_evaluation_mode(begun):
    assert moved_statistics(*begun)
    assert not moved_statistics(*before_and_after("MiB+NeST", 1, warm_eval=True, warm_epochs=1))


def test_new_biases_start_at_one_random_number_or_at_the_backgrounds():
    # Without pre-tuning the start shows, up to the norm that it is given.
    method, before = before_and_after("MiB+NeST", warm_epochs=0)
    bias, random = method.net.cls[-1].bias, before.cls[-1].bias[0]
    assert len(bias) == 2 and bias[0] == bias[1] and bias[0].sign() == random.sign()
    with torch.no_grad():
        method.net.cls[0].bias[0] = -random
    method.warm_background_bias = True
    method.start_increment(TinyLoader(method.step))
    assert method.net.cls[-1].bias[0].sign() == -random.sign()


def test_frozen_classifiers_keep_the_pretuned_background_through_training():
    for freeze in (True, False):
        method, before = before_and_after("PLOP+NeST", 1, freeze_classifiers=freeze, warm_epochs=2)
        start = {key: value.clone() for key, value in method.net.cls[0].named_parameters()}
        assert not torch.equal(start["weight"][0], before.cls[0].weight[0])
        training = Training(epochs=1, lr=0.1)
        fit(method, TinyLoader(method.step), training, device=torch.device("cpu"), log=SilentLog())
        for key, value in method.net.cls[0].named_parameters():
            assert torch.equal(value, start[key]) == freeze, key
            assert value.requires_grad != freeze
        assert method.net.cls[-1].weight.requires_grad and method.net.cls[-1].training


def test_mixin_adds_its_flags_and_takes_away_the_one_without_effect():
    for host in ("MiB", "PLOP"):
        own, hosts = (hyper_parameters(METHODS[name]).keys() for name in (f"{host}+NeST", host))
        assert hosts - own == {"init_balanced"}
        assert own - hosts >= {"warm_epochs", "warm_lr_scale"}
    assert "freeze_classifiers" not in hyper_parameters(METHODS["MiB+NeST"])


def test_tasks_without_new_classes_are_refused():
    step = make_method("FT", 1).step
    by_domain = type(step)("cities", "1-1", 1, ((0, 1),) * 3)
    for name in ("MiB+NeST", "PLOP+NeST"):
        with pytest.raises(ValueError, match="new classes"):
            METHODS[name](by_domain)


def test_warm_loss_is_the_mean_over_all_pixels():
    transfer, features, labels = transfer_of(), drawn(2, CHANNELS, 4, 4), torch.randint(7, (2, 9, 9))
    labels[0] = IGNORE
    weight, bias = drawn(NUM_OLD, CHANNELS, seed=2), drawn(NUM_OLD, seed=3)
    small = transfer(features, weight, bias)
    assert small.shape == (2, NUM_OLD + NUM_NEW, 4, 4)
    logits = F.interpolate(small, size=(9, 9), mode="bilinear", align_corners=False)
    want = unbiased_cross_entropy(logits, labels, NUM_OLD).sum() / labels.numel()
    got = weight_transfer.warm_loss(transfer, features, labels, weight, bias)
    torch.testing.assert_close(got[0], logits)
    torch.testing.assert_close(got[1], want)
