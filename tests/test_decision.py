"""A decision in parts is that of the whole, pixel by pixel, and needs little memory for it."""

from types import MethodType

import pytest
import torch

from methods import decision
from methods.base import Method
from methods.decision import competing, decide
from methods.sigmoid_heads import SigmoidHeads
from methods.ssul import SSUL
from segmentation_module import Output

FORMS = {"largest": Method.predict, "sigmoid": SigmoidHeads.predict, "unknown": SSUL.predict}
SIZES = [
    ((12, 9), (192, 144)),
    ((12, 9), (190, 143)),
    ((1, 5), (16, 80)),
    ((7, 4), (7, 4)),
    ((9, 9), (129, 129)),
]


def output(channels: int, small: tuple, size: tuple, *, spread: float, last: bool) -> Output:
    """Random logits for two images; `spread` of their cells, in channels-last order or not."""
    torch.manual_seed(channels)
    kinds = 3 * torch.randn(2, channels, 1, 1) + torch.randn(2, channels, *small) * spread
    order = torch.channels_last if last else torch.contiguous_format
    return Output(kinds.contiguous(memory_format=order), kinds, kinds, {}, size)


@pytest.mark.parametrize("last", [True, False], ids=["channels last", "contiguous"])
@pytest.mark.parametrize("form", FORMS)
def test_a_decision_in_parts_is_that_of_all_logits(monkeypatch, form, last):
    monkeypatch.setattr(decision, "ELEMENTS_CPU", 2**14)
    predict = MethodType(FORMS[form], "")  # none of them looks at its method
    for small, size in SIZES:
        for channels in (3, 21, 151):
            for spread in (0.3, 60.0):  # the last: sigmoids of exactly 1, where ties go to the first
                out = output(channels, small, size, spread=spread, last=last)
                found = decide(predict, out)
                assert torch.equal(found, predict(out.logits)), (small, size, channels, spread)


def test_no_more_than_a_band_of_the_channels_that_can_win_is_up_sampled(monkeypatch):
    shapes = []
    real = torch.ops.aten.upsample_bilinear2d

    def counting(*arguments):
        shapes.append(real(*arguments))
        return shapes[-1]

    monkeypatch.setattr(torch.ops.aten, "upsample_bilinear2d", counting)
    monkeypatch.setattr(decision, "ELEMENTS_CPU", 2**18)
    out = output(151, (64, 64), (1024, 1024), spread=0.3, last=True)
    decide(MethodType(Method.predict, ""), out)
    assert "logits" not in vars(out)
    assert max(one.numel() for one in shapes) < 2 * 151 * 32 * 1024
    assert sum(one.numel() for one in shapes) < 0.5 * 2 * 151 * 1024 * 1024


def test_a_predict_of_which_nothing_is_said_sees_all_logits():
    seen = []

    def predict(logits):
        seen.append(logits.shape)
        return logits.min(1).indices

    out = output(21, (4, 4), (64, 64), spread=1.0, last=True)
    assert torch.equal(decide(predict, out), predict(out.logits)) and seen[0] == (2, 21, 64, 64)
    assert competing()(predict).leading == 0


def test_logits_that_are_not_finite_are_decided_somehow():
    out = output(21, (4, 4), (64, 64), spread=1.0, last=True)
    out.logits_small[:] = float("nan")
    assert decide(MethodType(Method.predict, ""), out).shape == (2, 64, 64)
