"""Answers of a frozen network kept for later runs: the same weights, and a network that is asked no more."""

import pytest
import torch
from torch import nn

from dataset.room import Room
from experiment.kept_answers import KeptAnswers, name_of
from methods import closed_form_net


def images(count, seed=0):
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def net():
    return nn.Conv2d(3, 4, 3, padding=1).requires_grad_(False)


def asked(answer, sizes):
    """`answer` that notes how many images it is asked for."""

    def noting(given):
        sizes.append(len(given))
        return answer(given)

    return noting


def test_a_later_pass_asks_for_one_image_of_noise_and_has_the_same_bits(net, tmp_path):
    sizes = []
    first = KeptAnswers(tmp_path)(asked(net, sizes), net)
    want = [first(images(4, seed)) for seed in range(3)]
    assert sizes == [1, 4, 4, 4]
    sizes.clear()
    later = KeptAnswers(tmp_path)
    found = later(asked(net, sizes), net)
    got = [found(images(4, seed)) for seed in (2, 0, 1)]
    assert sizes == [1] and later.found == 3 and "3 of 3 answers" in later.told()
    assert all(torch.equal(got[k], want[seed]) for k, seed in enumerate((2, 0, 1)))
    assert [one.stride() for one in got] == [one.stride() for one in want]


def test_other_images_and_other_networks_are_never_mixed_up(net, tmp_path):
    KeptAnswers(tmp_path)(net, net)(images(4))
    sizes = []
    again = KeptAnswers(tmp_path)
    again(asked(net, sizes), net)(images(4, 1))
    again(asked(net, sizes), net)(images(3))
    assert sizes == [1, 4, 1, 3] and again.found == 0
    names = {name_of(net, (net,), images(1))}
    names.add(name_of(lambda x: net(x).relu(), (net,), images(1)))  # no tensor differs
    names.add(name_of(lambda x: net(x).bfloat16(), (net,), images(1)))
    spare = nn.Conv2d(3, 4, 3, padding=1)
    names.add(name_of(net, (net, spare), images(1)))
    with torch.no_grad():
        net.bias[0] += 1e-6
    names.add(name_of(net, (net,), images(1)))
    assert len(names) == 5


def test_a_damaged_answer_is_computed_and_written_again(net, tmp_path):
    want = KeptAnswers(tmp_path)(net, net)(images(4))
    (file,) = tmp_path.glob("features_*/*.pack")
    whole = file.read_bytes()
    for damaged in (b"", whole[:100], whole[: len(whole) // 2]):
        file.write_bytes(damaged)
        again = KeptAnswers(tmp_path)
        assert torch.equal(again(net, net)(images(4)), want) and again.computed == 1
    assert torch.load(file, weights_only=True).shape == want.shape


def test_answers_count_for_the_limit_and_go_when_unused(net, tmp_path):
    KeptAnswers(tmp_path)(net, net)(images(4))
    (file,) = tmp_path.glob("features_*/*.pack")
    with pytest.raises(ValueError, match="--cache_limit 1e-06GB is too small"):
        KeptAnswers(tmp_path, 1000)(net, net)(images(4, 1))
    assert not file.exists()
    KeptAnswers(tmp_path, 50_000)(net, net)(images(4, 1))
    Room(tmp_path, 1000).take(0)
    assert not list(tmp_path.glob("features_*/*.pack"))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["RIDGE", "SegACIL", "LDA", "PROTOTYPES"])
def test_a_run_on_kept_answers_ends_with_the_same_weights_and_asks_no_network(
    cli, tmp_path, monkeypatch, method
):
    sizes, real = [], closed_form_net.ClosedFormNet.answer
    words = ["--method", method, "--epochs", "1", "--batch_size", "2", "--no_share", "--step", "0", "1"]
    weights, counts = [], []
    monkeypatch.setattr(closed_form_net.ClosedFormNet, "answer", lambda self, x: asked(
        lambda given: real(self, given), sizes)(x))  # fmt: skip
    for name, cache in (("plain", "none"), ("first", "features"), ("later", "features")):
        sizes.clear()
        status, out, err = cli(*words, "--name", name, "--cache", cache)
        assert status == 0, err
        assert ("answers of the network" in out) == (cache != "none")
        counts.append(sum(sizes))
        (file,) = tmp_path.glob(f"checkpoints/*/{method}_tiny_{name}/step_1.pt")
        weights.append(torch.load(file))
    assert counts[0] == 0 and counts[1] > counts[2] == 2  # noise at each step
    for other in weights[1:]:
        for part in ("net", "method_state"):
            assert all(torch.equal(other[part][k], x) for k, x in weights[0][part].items())


@pytest.mark.slow
def test_a_grid_over_the_solution_shares_the_answers(cli):
    words = ["--method", "RIDGE", "--epochs", "1", "--batch_size", "2", "--step", "0", "--no_share"]
    assert cli(*words, "--cache", "features", "--name", "a")[0] == 0
    status, out, _ = cli(*words, "--cache", "features", "--name", "b", "--gamma", "10")
    assert status == 0
    assert "; 0GB more are now" in out, [line for line in out.splitlines() if "answers" in line]
