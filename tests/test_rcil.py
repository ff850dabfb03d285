"""One step of RCIL: what it starts from, what stays fixed, what it minimises."""

import copy

import pytest
import torch

from methods.rcil import RCIL
from models.resnet import tiny
from modules import parallel
from segmentation_module import Parts
from tasks import Step
from tests.rcil_chain import GROUPS, PARTS, chain, images, started
from utils.labels import IGNORE


@pytest.mark.parametrize("last", [1, 2])
def test_student_starts_at_a_quarter_of_branch_1_and_three_of_branch_2(last):
    method = chain(last)
    old, new = (parallel.units(net.eval())[0] for net in (method.teacher, method.net))
    inner = old.convs.bn1(old.convs.conv1(torch.randn(2, 24, 8, 8)))
    first, second = old.branches(inner)
    torch.testing.assert_close(new.mixed(inner), first / 4 + 3 / 4 * second, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("last", [1, 2])
def test_copied_merge_starts_at_the_teacher(last):
    method = chain(last, copy_merged=True)
    old = method.teacher(images()).features
    torch.testing.assert_close(method.net.eval()(images()).features, old, rtol=1e-4, atol=1e-5)


def test_teacher_computes_the_same_after_it_was_folded():
    method = chain(2)
    want = method.old(images()).logits_small
    method.start_increment(None)
    assert all(unit.single for unit in parallel.units(method.teacher))
    torch.testing.assert_close(method.old(images()).logits_small, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("last", [1, 2])
def test_merged_branch_stays_bit_identical_while_the_rest_trains(last):
    method = started(last)
    frozen = {}
    for name, unit in method.net.named_modules():
        if unit in parallel.units(method.net):
            convs, norm = unit.branch()
            for index, module in enumerate([*convs, norm]):
                assert not module.training
                frozen |= {(name, index, key): (t, t.clone()) for key, t in module.state_dict().items()}
    optimizer = torch.optim.SGD(method.param_groups(0.1, 1e-2), lr=0.1, momentum=0.9)
    before = method.net.body.mod2.block1.convs.conv2_new.weight.clone()
    labels = torch.randint(3, 6, (2, 32, 32)) if last == 2 else torch.full((2, 32, 32), 3)
    for _ in range(2):
        optimizer.zero_grad()
        sum(method.losses(images(), labels).values()).backward()
        optimizer.step()
        method.net.train()
    assert frozen and all(torch.equal(now, then) for now, then in frozen.values())
    assert not torch.equal(method.net.body.mod2.block1.convs.conv2_new.weight, before)


def test_both_branches_train_at_step_0():
    method = chain(0)
    method.net.train()
    losses = method.losses(images(), torch.randint(3, (2, 32, 32)))
    assert list(losses) == ["ce"]
    losses["ce"].backward()
    block = method.net.body.mod2.block1.convs
    assert block.conv2.weight.grad.abs().sum() > 0 and block.conv2_new.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("fill", [0, 3, IGNORE])
@pytest.mark.parametrize("count", [1, 2])
def test_losses_are_finite_for_every_kind_of_batch(fill, count):
    method = started(1)
    calls = []
    method.net.register_forward_hook(lambda *_: calls.append(1))
    losses = method.losses(images(count), torch.full((count, 32, 32), fill))
    assert list(losses) == ["unce", "unkd", "pckd_spatial", "pckd_channel"]
    sum(losses.values()).backward()
    assert len(calls) == 1
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in method.net.parameters())


def test_domains_share_one_classifier_and_learn_by_cross_entropy():
    method = started(1, groups=((0, 1, 2),) * 3)
    before = copy.deepcopy(method.net.cls.state_dict())
    losses = method.losses(images(), torch.randint(3, (2, 32, 32)))
    assert list(losses) == ["ce", "pckd_spatial", "pckd_channel"]
    assert len(method.net.cls) == 1
    torch.testing.assert_close(before, chain(1, groups=((0, 1, 2),) * 3).net.cls.state_dict())


def test_new_rows_start_from_the_background_and_biases_stay():
    method = chain(1)
    biases = [classifier.bias.clone() for classifier in method.net.cls]
    method.start_increment(None)
    old, new = method.net.cls
    assert torch.equal(new.weight, old.weight[:1].expand_as(new.weight))
    assert all(
        torch.equal(classifier.bias, bias) for classifier, bias in zip(method.net.cls, biases, strict=True)
    )


def test_stem_is_not_activated_unless_asked_for():
    step = Step("test", "task", 0, GROUPS)
    assert RCIL(step).build_model(step, PARTS).body.mod1.bn1.activation == "identity"
    assert RCIL(step, stem_activation=True).build_model(step, PARTS).body.mod1.bn1.activation == "leaky_relu"


def test_pretrained_weights_enter_both_branches(tmp_path):
    source = tiny()
    torch.save({"state_dict": source.state_dict()}, tmp_path / "tiny.pth")
    step = Step("test", "task", 0, GROUPS)
    parts = Parts("tiny", output_stride=8, pretrained=str(tmp_path / "tiny.pth"))
    convs = RCIL(step).build_model(step, parts).body.mod3.block1.convs
    assert torch.equal(convs.conv2.weight, source.mod3.block1.convs.conv2.weight)
    assert torch.equal(convs.conv2_new.weight, convs.conv2.weight)
    assert torch.equal(convs.bn2_new.weight, source.mod3.block1.convs.bn2.weight)


@pytest.mark.parametrize("name", ["swin_b", "timm:resnet18"])
def test_a_backbone_without_our_residual_blocks_is_refused(name):
    step = Step("test", "task", 0, GROUPS)
    with pytest.raises(ValueError, match=f"RCIL doubles convolutions of ResNets.*not {name}"):
        RCIL(step).build_model(step, Parts(name))


def test_without_a_background_the_old_classes_are_distilled_alone():
    method = chain(1, has_background=False)
    rows = method.net.cls[1].weight.clone()
    method.start_increment(None)
    assert torch.equal(method.net.cls[1].weight, rows)  # there is no row of a background to start from
    method.net.eval()
    labels = torch.full((2, 32, 32), 3)
    out, old = method.model(images()), method.old(images())
    losses = method.losses(images(), labels)
    assert list(losses) == ["ce", "kd", "pckd_spatial", "pckd_channel"]
    for name, loss in method.incremental_losses(out, old, labels).items():
        torch.testing.assert_close(loss, losses[name])
    out.logits_small[:, 3:] += 5  # logits of new classes concern the cross entropy alone
    moved = method.incremental_losses(out, old, labels)
    assert moved["ce"] < losses["ce"]
    for name in ("kd", "pckd_spatial", "pckd_channel"):
        torch.testing.assert_close(moved[name], losses[name])
