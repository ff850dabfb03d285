"""Two branches in blocks and head: their random mixture, their merge, and the final fold."""

import pytest
import torch

from methods.rcil import RCIL
from modules.parallel import ParallelBlock, ParallelHead, merge_for_inference, mix
from segmentation_module import Parts
from tasks import Step
from tests.rcil_chain import GROUPS, PARTS, chain, images, shaken


def test_draws_choose_branch_1_branch_2_or_the_mean_per_channel():
    first, second = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    out = mix(first, second, torch.tensor([0.1, 0.5, 0.7]).view(1, 3, 1, 1))
    torch.testing.assert_close(out[:, 0], first[:, 0])
    torch.testing.assert_close(out[:, 1], second[:, 1])
    torch.testing.assert_close(out[:, 2], (first[:, 2] + second[:, 2]) / 2)


def test_equal_seeds_give_equal_mixtures_and_evaluation_draws_nothing():
    net = chain(0).net
    outputs = []
    for _ in range(2):
        torch.manual_seed(3)
        outputs.append(net.train()(images()).logits_small)
    torch.testing.assert_close(*outputs)
    assert not torch.equal(outputs[0], net(images()).logits_small)
    state = torch.get_rng_state()
    net.eval()(images())
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("channels", [(6, 8), (6, 6, 8)])
def test_merged_branch_is_the_mean_of_both_in_evaluation(channels):
    block = shaken(ParallelBlock(8, channels, dilation=2)).double().eval()
    inner = block.convs.bn1(block.convs.conv1(torch.randn(2, 8, 7, 5, dtype=torch.float64)))
    mean, (_, second) = block.mixed(inner), block.branches(inner)
    block.merge()
    torch.testing.assert_close(block.branches(inner)[0], mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(block.branches(inner)[1], second)


@pytest.mark.parametrize("pooling", [2, 32])
def test_merged_head_is_the_mean_of_both_in_evaluation(pooling):
    head = shaken(ParallelHead(8, 4, hidden_channels=3, pooling=pooling)).double().eval()
    x = torch.randn(2, 8, 7, 5, dtype=torch.float64)
    mean = head.mixed(x)
    head.merge()
    torch.testing.assert_close(head.branches(x)[0], mean, rtol=1e-12, atol=1e-12)


def test_merging_again_loses_nothing():
    """The identity norm is left out, so no eps enters a second fold."""
    block = shaken(ParallelBlock(8, (6, 6, 8))).double().eval()
    block.merge()
    for _ in range(3):
        block.copy_merged()
        kernel, bias = block.convs.conv2.weight.clone(), block.convs.conv2.bias.clone()
        block.merge()
        torch.testing.assert_close(block.convs.conv2.weight, kernel, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(block.convs.conv2.bias, bias, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("last", [0, 1, 2])
def test_merge_for_inference_changes_no_output(last):
    net = chain(last).net.eval()
    with torch.no_grad():
        want = net(images())
        size = sum(p.numel() for p in net.parameters())
        got = merge_for_inference(net)(images())
    torch.testing.assert_close(got.logits, want.logits, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(got.features, want.features, rtol=1e-6, atol=2e-6)
    assert sum(p.numel() for p in net.parameters()) < 0.65 * size


@pytest.mark.slow
def test_merge_for_inference_keeps_resnet_50_within_1e_6_of_its_scale():
    parts = Parts("resnet50", output_stride=16)
    step = Step("test", "task", 0, GROUPS)
    torch.manual_seed(0)
    net = RCIL(step).build_model(step, parts).eval()
    with torch.no_grad():
        want = net(images(1)).logits_small
        got = merge_for_inference(net)(images(1)).logits_small
    assert (got - want).abs().max() <= 1e-6 * want.abs().max().clamp(min=1)


def test_folded_checkpoint_loads_into_a_freshly_built_network():
    method = chain(2, merge_for_inference=True)
    want = method.net.eval()(images()).logits_small
    method.end_increment(None)
    saved = method.net.state_dict()
    assert not any("_new" in name or ".map_bn" in name for name in saved)
    again = method.build_model(method.step, PARTS)
    again.load_state_dict(saved)
    torch.testing.assert_close(again.eval()(images()).logits_small, want, rtol=1e-6, atol=1e-6)


def test_only_the_last_step_of_a_task_is_folded():
    method = chain(1, merge_for_inference=True)
    method.end_increment(None)
    assert any("_new" in name for name in method.net.state_dict())


def test_training_does_not_go_on_from_a_folded_network():
    folded = merge_for_inference(chain(1).net).state_dict()
    follower = RCIL(Step("test", "task", 2, GROUPS))
    follower.net = follower.build_model(follower.step, PARTS)
    with pytest.raises(ValueError, match="folded for inference"):
        follower.load_previous(folded)
