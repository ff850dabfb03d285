"""EIR on tiny networks: what a step trains on, its own network, resumption."""

import copy

import pytest
import torch

from dataset.increment import increment_data
from dataset.shapes import Shapes
from experiment import checkpoint
from methods.build import step0_as
from methods.eir import EIR
from methods.eir_softmax import EIRSoftmax
from methods.replay import Replay
from methods.sigmoid_heads import sigmoid_decision
from segmentation_module import Parts
from tasks import named_step
from utils.labels import IGNORE

PARTS = Parts(backbone="tiny", output_stride=8)
SIZE = 32
METHODS = pytest.mark.parametrize("kind", [EIR, EIRSoftmax])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Data of step 0 of a small generated task; `.of(index)` gives the others."""
    dataset = Shapes(size=40, num_train=60, num_val=2)
    step = named_step("shapes", 7, "2-2")
    return increment_data(dataset, step, crop_size=SIZE, cache_dir=tmp_path_factory.mktemp("cache"), seed=3)


def begun(kind, data, index, **hyper):
    """A method of `kind` at step `index`, ready to train; the weights of the step before are random."""
    torch.manual_seed(0)
    step = data.step.at(index)
    method = kind(step, **{"mem_size": 6} | hyper)
    method.net = method.build_model(step, PARTS)
    if index > 0:
        method.teacher = method.build_model(step.at(index - 1), PARTS)
        method.load_previous(method.teacher.state_dict())
        method.teacher.eval().requires_grad_(False)
    method.set = method.train_set(data.of(index))
    if index > 0:
        method.start_increment(None)
    method.model = method.net
    method.net.train()
    return method


def batch(labels_like, n=2):
    images = torch.randn(n, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    labels = torch.zeros(n, SIZE, SIZE, dtype=torch.int64)
    labels[:, 8:16, 8:20] = labels_like
    return images, labels


def sure_teacher(method, answer):
    """Make the teacher sure of class `answer` in every pixel."""
    bias = torch.cat([classifier.bias for classifier in method.teacher.cls])
    bias = torch.full_like(bias, -30.0)
    bias[answer] = 30.0
    for classifier in method.teacher.cls:
        torch.nn.init.zeros_(classifier.weight)
        with torch.no_grad():
            classifier.bias.copy_(bias[: classifier.out_channels])
        bias = bias[classifier.out_channels :]


# -- a step --------------------------------------------------------------------------------------------------
@METHODS
def test_a_step_trains_on_images_and_memory_and_pastes_into_them(kind, data):
    method = begun(kind, data, 1)
    assert len(method.set) == len(data.of(1).train) + 6
    images, labels = batch(3)
    passes = []
    method.net.register_forward_pre_hook(lambda module, args: passes.append(args[0]))
    losses = method.losses(images, labels)
    assert len(passes) == 1 and not torch.equal(passes[0], images)
    assert all(torch.isfinite(value) and value > 0 for value in losses.values()) and "rskd" in losses


@METHODS
@pytest.mark.parametrize("mem_size", [0, 6])
@pytest.mark.parametrize("case", ["no new class", "all ignored", "teacher sees nothing", "teacher sees all"])
def test_degenerate_batches_give_finite_losses_and_gradients(kind, mem_size, case, data):
    method = begun(kind, data, 2, mem_size=mem_size)
    images, labels = batch({"no new class": 0, "all ignored": IGNORE}.get(case, 5), n=2)
    if case == "all ignored":
        labels[:] = IGNORE
    if case.startswith("teacher"):
        sure_teacher(method, 0 if case.endswith("nothing") else 1)
    loss = sum(method.losses(images, labels).values())
    loss.backward()
    assert torch.isfinite(loss)
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in method.net.parameters())


def test_sure_answers_of_the_teacher_replace_background_alone(data):
    for kind in (EIR, EIRSoftmax):
        method = begun(kind, data, 1)
        labels = torch.tensor([[[0, 0, 0, 3, IGNORE]]])
        logits = torch.zeros(1, 3, 1, 5)
        logits[0, 2] = torch.tensor([9.0, 0.1, -9.0, 9.0, 9.0])
        logits[0, 0, 0, 2] = 9.0  # sure of background
        assert method.pseudo_labels(logits, labels).tolist() == [[[2, 0, 0, 3, IGNORE]]]


def test_ignored_pixels_under_a_paste_count_for_sigmoids_only(data):
    logits = torch.randn(1, 3, 1, 1, requires_grad=True)
    targets = torch.tensor([0.0, 0.25, 0.0]).view(1, 3, 1, 1)
    pseudo = torch.full((1, 1, 1), IGNORE)
    assert begun(EIR, data, 1).classification(logits, targets, pseudo) > 0
    assert begun(EIRSoftmax, data, 1).classification(logits, targets, pseudo) == 0


def test_distillation_stays_inside_new_classes_unless_asked(data):
    images, labels = batch(0)
    inside = begun(EIR, data, 1).losses(images, labels)
    everywhere = begun(EIR, data, 1, kd_everywhere=True).losses(images, labels)
    assert inside["rskd"] == 0 < everywhere["rskd"]


def test_removed_context_is_background_or_ignored(data):
    for ignore, rest in ((False, 0), (True, IGNORE)):
        method = begun(EIRSoftmax, data, 1, ignore_emptied=ignore)
        _, labels = method.set[0, len(method.set) - 1]
        assert rest in labels.unique().tolist() and not {0, IGNORE} - {rest} & set(labels.unique().tolist())


def test_the_memory_can_be_looked_at_while_it_trains(data, tmp_path):
    begun(Replay, data, 1, mem_folder=str(tmp_path))
    assert len(list((tmp_path / "step_1").glob("*.png"))) == 12


def test_a_negative_budget_is_refused(data):
    with pytest.raises(ValueError, match="--mem_size -1"):
        Replay(data.step, mem_size=-1)


def test_replay_keeps_whole_images_with_the_labels_of_their_step(data):
    method = begun(Replay, data, 1)
    assert all(entry.size == (40, 40) and entry.corner == (0, 0) for entry in method.memory.records)
    image, _ = method.set[0, len(method.set) - 1]
    assert len(image.unique()) > 100  # context is there
    assert begun(Replay, data, 0).set.ids == data.train.ids
    assert step0_as(Replay) == step0_as(EIRSoftmax) == "FT" and step0_as(EIR) == "EIR"


# -- resumption ----------------------------------------------------------------------------------------------
@METHODS
def test_an_interrupted_step_composes_what_it_would_have(kind, data, tmp_path):
    def train(method, batches):
        optimizer = torch.optim.SGD(method.param_groups(0.01, 1e-4))
        for _ in range(batches):
            optimizer.zero_grad()
            sum(method.losses(*batch(3)).values()).backward()
            optimizer.step()
        return method

    through = train(train(begun(kind, data, 1), 1), 1)
    stopped = train(begun(kind, data, 1), 1)
    content = {"net": stopped.net.state_dict(), "method_state": stopped.state_dict()}
    checkpoint.save(content, tmp_path / "unfinished.pt")
    content = checkpoint.load(tmp_path / "unfinished.pt")
    continued = begun(kind, data, 1)
    continued.net.load_state_dict(content["net"])
    continued.load_state_dict(content["method_state"])
    train(continued, 1)
    for key, value in through.net.state_dict().items():
        assert torch.equal(value, continued.net.state_dict()[key]), key


@METHODS
def test_the_next_step_begins_with_the_memory_of_this_one(kind, data):
    first = begun(kind, data, 1)
    first.losses(*batch(3))
    state = copy.deepcopy(first.state_dict())
    second = kind(data.step.at(2), mem_size=6)
    second.load_state_dict(state)
    assert second.batches == 0
    second.train_set(data.of(2))
    assert {entry.label for entry in second.memory.records} == {1, 2, 3, 4}


# -- the network of EIR --------------------------------------------------------------------------------------
def test_background_has_a_classifier_that_trains_nothing_else(data):
    method = begun(EIR, data, 1)
    assert [classifier.out_channels for classifier in method.net.cls] == [1, 2, 2]
    out = method.net(batch(3)[0])
    assert out.logits.shape[1] == method.step.num_seen
    out.logits[:, 0].sum().backward()
    moved = {key for key, p in method.net.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert moved == {"cls.0.weight", "cls.0.bias"}


def test_step_0_trains_everything_and_later_steps_freeze_the_norms(data):
    norm = "head.last_bn.weight"
    first, second = begun(EIR, data, 0), begun(EIR, data, 1)
    assert len(first.net.trainable()) == len(list(first.net.parameters()))
    assert not dict(second.net.named_parameters())[norm].requires_grad
    assert not second.net.head.last_bn.training and second.net.training
    assert (first.net.head.dropout.p, second.net.head.dropout.p) == (0.1, 0.0)


def test_head_learns_ten_times_as_fast_and_only_the_newest_classifier_decays(data):
    for index in (0, 1):
        method = begun(EIR, data, index)
        groups = method.param_groups(0.001, 1e-4)
        values = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
        assert len(values) == len(method.net.trainable())
        old = 1e-4 if index == 0 else 0.0
        assert values[id(method.net.body.mod1.conv1.weight)] == (0.001, old)
        assert values[id(method.net.head.last_conv.weight)] == (0.01, old)
        assert values[id(method.net.cls[0].weight)] == (0.01, old)
        assert values[id(method.net.cls[-1].weight)] == (0.01, 1e-4)


def test_prediction_is_background_unless_a_class_exceeds_one_half():
    logits = torch.tensor([[5.0, -1.0, -2.0], [-5.0, 0.3, 0.2], [9.0, -1.0, 4.0]]).T.reshape(1, 3, 1, 3)
    assert sigmoid_decision(logits).tolist() == [[[0, 1, 2]]]
