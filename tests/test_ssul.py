"""SSUL: the class "unknown", what is frozen, what trains at which rate, saliency maps."""

import copy
from functools import partial

import pytest
import torch
from PIL import Image

from dataset.increment import increment_data
from dataset.saliency import mark_salient
from dataset.shapes import Shapes
from methods.ssul import SSUL, best_with_unknown, with_unknown
from modules.classifiers import regroup
from tasks import named_step
from tests import builders
from tests.builders import SilentLog, TinyLoader, make_images, make_labels, make_method
from train import Training, fit, start
from utils.decoding.decode import BadFileError
from utils.labels import IGNORE, SALIENT

begun = partial(builders.begun, "SSUL")


def test_the_newest_head_starts_as_that_of_unknown_statistics_included():
    method = begun(2)
    assert [head.out_channels for head in method.net.cls] == [1, 1, 2, 1, 2]
    unknown, newest = method.net.cls[0].state_dict(), method.net.cls[-1].state_dict()
    for key in unknown:
        assert torch.equal(newest[key], unknown[key].expand_as(newest[key])), key


def test_after_step_0_the_newest_heads_and_those_of_the_background_train_and_nothing_else():
    method = begun(2)
    before = copy.deepcopy(method.net.state_dict())
    training = Training(epochs=2, lr=0.1)
    fit(method, TinyLoader(method.step), training, device=torch.device("cpu"), log=SilentLog())
    moved = {key for key, value in method.net.state_dict().items() if not torch.equal(value, before[key])}
    names = ("0.weight", "2.weight", "2.bias")
    assert moved == {f"cls.{head}.{name}" for head in (0, 1, 4) for name in names}


def test_rates_of_the_groups_and_their_floor():
    rates = {}
    for index in (0, 1):
        method = begun(index)
        progress = start(method, Training(epochs=1, lr=0.01), batches=4, device=torch.device("cpu"))
        groups = progress.optimizer.param_groups
        rates |= {(index, id(p)): group["initial_lr"] for group in groups for p in group["params"]}
        assert len([p for group in groups for p in group["params"]]) == len(method.net.trainable())
        want = [(method.net.cls[0], 0.01), (method.net.cls[1], 0.01 if index == 0 else 1e-6)]
        want += [(method.net.cls[-1], 0.01)]
        want += [] if index else [(method.net.body, 0.001), (method.net.head, 0.01)]
        for module, rate in want:
            found = {rates[index, id(p)] for p in module.parameters() if p.requires_grad}
            assert [*found] == [pytest.approx(rate)]
        for _ in range(4):
            progress.optimizer.step()
            progress.scheduler.step()
        assert progress.scheduler.get_last_lr() == [pytest.approx(1e-6)] * len(groups)


def test_the_old_heads_answer_from_the_features_of_the_new_network():
    method = make_method("SSUL", 1)
    method.net.eval()
    want = method.old(make_images()).logits_small
    method.start_increment(None)
    with torch.no_grad():
        got = method.teacher.classify(method.net.train()(make_images()).features)
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
    assert method.teacher.body is method.net.body


def test_dropout_acts_at_step_0_and_later_only_if_asked():
    for index, hyper, acts in ((0, {}, True), (1, {}, False), (1, {"later_dropout": 0.5}, True)):
        method = begun(index, **hyper)
        features = torch.ones(1, method.net.head.out_channels, 4, 4)
        for head in method.net.cls:
            head.eval()
        one, two = (method.net.classify(features) for _ in range(2))
        assert torch.equal(one, two) != acts


def test_sure_answers_of_old_heads_replace_unknown_and_background_alone():
    method = begun(1)
    labels = torch.tensor([[[0, 1, 1, 4, IGNORE, 0]]])
    old = torch.full((1, 4, 1, 6), -9.0)
    old[0, 3] = torch.tensor([9.0, 9.0, 0.1, 9.0, 9.0, 9.0])
    old[0, 1, 0, 5] = 20.0  # sure of background
    logits = torch.randn(1, 5, 1, 6)
    told = method.loss_map(logits, torch.tensor([[[3, 3, 1, 4, IGNORE, 0]]]))
    assert torch.equal(method.loss_map(logits, old, labels), told)


def test_the_loss_is_the_mean_over_pixels_that_are_not_ignored():
    method = begun(0)
    logits = torch.randn(2, 4, 8, 8)
    targets = with_unknown(make_labels(method.step, "mixed")[:, 8:16, 8:16], saliency=False)
    ignored = torch.full_like(targets, IGNORE)
    alone = method.bce([logits], targets)
    padded = method.bce([torch.cat([logits, logits])], torch.cat([targets, ignored]))
    torch.testing.assert_close(padded, alone)
    assert method.bce([logits], ignored) == 0


def test_unknown_is_what_is_salient_or_without_maps_all_background():
    labels = torch.tensor([[0, 0, 3, IGNORE]], dtype=torch.uint8)
    salient = mark_salient(labels, torch.tensor([[0, 7, 7, 7]], dtype=torch.uint8))
    assert salient.tolist() == [[0, SALIENT, 3, IGNORE]]
    assert with_unknown(salient, saliency=True).tolist() == [[1, 0, 4, IGNORE]]
    assert with_unknown(labels, saliency=False).tolist() == [[0, 0, 4, IGNORE]]


def test_unknown_lends_its_sigmoid_to_background_and_ties_go_to_the_smaller_class():
    logits = torch.tensor([[0.0, 0.0, 3.0, 1.0], [-1.0, -1.0, 0.5, 0.5]]).T.reshape(1, 4, 1, 2)
    assert best_with_unknown(logits).tolist() == [[[0, 1]]]


def test_heads_that_are_more_than_rows_are_shared_between_tasks_as_they_are():
    weights = make_method("SSUL", 0).net.state_dict()
    same = regroup(weights, [1, 1, 2])
    assert same.keys() == weights.keys() and all(torch.equal(same[key], weights[key]) for key in weights)


# -- saliency maps -------------------------------------------------------------------------------------------
@pytest.fixture
def data(tmp_path):
    """A small task and its saliency maps: the left half of every image is salient."""
    step = named_step("shapes", 7, "2-2").at(1)
    dataset = Shapes(size=40, num_train=40, num_val=2)
    data = increment_data(dataset, step, crop_size=32, cache_dir=tmp_path / "cache")
    saliency = torch.zeros(40, 40, dtype=torch.uint8)
    saliency[:, :20] = 200
    for name in data.train.ids:
        path = tmp_path / "maps" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(saliency.numpy()).save(path)
    return data


def test_training_images_carry_their_saliency_through_every_crop(data, tmp_path):
    images = SSUL(data.step, saliency=str(tmp_path / "maps")).train_set(data)
    whole, plain = images.read(0)[1], data.train.read(0)[1]
    assert (whole[:, :20] == SALIENT).equal(plain[:, :20] == 0) and whole[:, 20:].equal(plain[:, 20:])
    crop, plain = images[0, 0], data.train[0, 0]
    assert crop[0].equal(plain[0]) and crop[1].where(crop[1] != SALIENT, 0).equal(plain[1])
    assert (crop[1] == SALIENT).any()
    assert type(SSUL(data.step).train_set(data)) is type(data.train)


def test_missing_maps_and_maps_of_other_pictures_are_refused_with_the_cure(data, tmp_path):
    with pytest.raises(FileNotFoundError, match="--saliency: there is no .*give the folder"):
        SSUL(data.step, saliency=str(tmp_path)).train_set(data)
    Image.new("L", (8, 9)).save(tmp_path / "maps" / f"{data.train.ids[0]}.png")
    images = SSUL(data.step, saliency=str(tmp_path / "maps")).train_set(data)
    with pytest.raises(BadFileError, match="8x9 pixels, and its image 40x40"):
        images.read(0)
