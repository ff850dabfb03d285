"""Convolutions by one product per tap: the same numbers, less work, and only where it pays."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from modules.conv3x3 import Conv3x3, seen_share

LAST = torch.channels_last


def case(size=(5, 6), *, dilation=4, bias=True, channels=3, dtype=torch.float64):
    """A convolution and a map for it."""
    torch.manual_seed(0)
    conv = Conv3x3(channels, 2, dilation=dilation, bias=bias).to(dtype=dtype, memory_format=LAST)
    return conv, torch.randn(2, channels, *size, dtype=dtype).to(memory_format=LAST)


def flops(conv, x) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        conv(x)
    return counter.get_total_flops()


@pytest.mark.parametrize(
    ("size", "dilation"), [((5, 6), 4), ((8, 8), 6), ((4, 9), 12), ((1, 1), 6), ((2, 20), 2)]
)
@pytest.mark.parametrize("bias", [False, True])
def test_products_per_tap_are_the_convolution_with_its_gradients(size, dilation, bias):
    conv, x = case(size, dilation=dilation, bias=bias)
    x.requires_grad_()
    assert conv.by_taps(x)
    y, want = conv(x), F.conv2d(x, conv.weight, conv.bias, padding=dilation, dilation=dilation)
    outer, inputs = torch.randn_like(want), [x, *conv.parameters()]
    torch.testing.assert_close(y, want)
    for one, other in zip(*(torch.autograd.grad(z, inputs, outer) for z in (y, want)), strict=True):
        torch.testing.assert_close(one, other)


def test_gradients_lie_as_their_weights_do_so_that_nothing_copies_them():
    conv, x = case()
    conv(x).sum().backward()
    assert conv.weight.grad.stride() == conv.weight.stride()
    assert conv(x).is_contiguous(memory_format=LAST)


@pytest.mark.parametrize("frozen", ["weight", "input"])
def test_only_the_gradients_that_somebody_wants_are_computed(frozen):
    conv, x = case(bias=False)
    conv.weight.requires_grad_(frozen != "weight")
    x.requires_grad_(frozen != "input")
    with FlopCounterMode(display=False) as counter:
        conv(x).sum().backward()
    assert counter.get_total_flops() == 2 * flops(conv, x)
    assert (x.grad is None) == (frozen == "input")


def test_only_products_that_are_not_with_padding_are_made():
    conv, x = case((8, 8), dilation=12)
    assert flops(conv, x) == 2 * x.numel() * conv.out_channels  # the middle tap
    assert seen_share((8, 8), 12) == 1 / 9
    partly, _ = case(dilation=6)
    assert flops(partly, x) == pytest.approx(seen_share((8, 8), 6) * 9 * flops(conv, x))


def test_where_most_is_seen_the_library_convolves():
    conv, x = case((8, 8), dilation=1)
    assert not conv.by_taps(x)
    torch.testing.assert_close(conv(x), F.conv2d(x, conv.weight, conv.bias, padding=1))


def test_weights_much_larger_than_the_map_are_not_copied_either():
    conv, x = case((4, 4), dilation=1, channels=512, dtype=torch.float32)
    assert not conv.by_taps(x)
    wide = Conv3x3(512, 512).to(memory_format=LAST)
    assert wide.by_taps(x)
    torch.testing.assert_close(wide(x), F.conv2d(x, wide.weight, padding=1), rtol=1e-4, atol=1e-5)


def test_strides_other_layouts_autocast_and_the_compiler_keep_the_library(monkeypatch):
    conv, x = case()
    strided = Conv3x3(3, 2, dilation=4, stride=2).to(x.dtype, memory_format=LAST)
    assert not strided.by_taps(x)
    assert not conv.by_taps(x.contiguous())
    with torch.autocast("cpu", torch.bfloat16):
        assert not conv.by_taps(x)
    assert conv.by_taps(x)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert not conv.by_taps(x)
