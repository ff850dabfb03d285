"""Pooled cube distillation: the fast form against the published one."""

import pytest
import torch
import torch.nn.functional as F

from methods.rcil import RCIL
from segmentation_module import Output
from tasks import Step
from tests.rcil_chain import GROUPS
from utils.losses.pooled_cube import WINDOWS, pooled_cube_distillation


def textbook(old, new, spatial, channel):
    """The published form: pool both maps with each window, compare, leave the gradient to autograd."""
    num_old = old[-1].shape[1]
    last = new[-1][:, :num_old].clone()
    last[:, 0] = new[-1][:, 0] + new[-1][:, num_old:].sum(1)
    along_space, along_channels = [], []
    for a, b, f in zip(old, [*new[:-1], last], spatial, strict=True):
        norms = [
            (F.avg_pool2d(a**2, k, 1, k // 2) - F.avg_pool2d(b**2, k, 1, k // 2))
            .flatten(1)
            .norm(dim=1)
            .mean()
            for k in WINDOWS
        ]
        along_space.append(f * sum(norms) / len(norms))
    for a, b, g in zip(old[:-1], new[:-1], channel, strict=True):
        pools = [F.avg_pool3d((x**2)[:, None], (3, 1, 1), 1, (1, 0, 0)) for x in (a, b)]
        along_channels.append(g * (pools[0] - pools[1]).flatten(1).norm(dim=1).mean())
    return sum(along_space) / len(old), sum(along_channels) / (len(old) - 1)


SHAPES = [(2, 5, 26, 9), (2, 3, 8, 30), (2, 4, 3, 3), (2, 3, 1, 2), (2, 6, 3, 3)]


def maps(seed, dtype=torch.float64, extra=2):
    generator = torch.Generator().manual_seed(seed)
    shapes = [*SHAPES[:-1], (2, SHAPES[-1][1] + extra, *SHAPES[-1][2:])]
    return [torch.randn(shape, dtype=dtype, generator=generator) for shape in shapes]


@pytest.mark.parametrize("extra", [0, 2])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
def test_pooled_cubes_equal_the_published_form_in_value_and_gradient(dtype, tolerance, extra):
    old = maps(0, dtype, extra=0)
    factors = dict(spatial=[0.01, 0.02, 0.03, 0.04, 0.005], channel=[0.1, 0.2, 0.3, 0.4])
    found = []
    for function in (pooled_cube_distillation, textbook):
        new = [x.requires_grad_() for x in maps(1, dtype, extra)]
        parts = function(old, new, **factors)
        (3 * parts[0] + parts[1]).backward()
        found.append([*parts, *(x.grad for x in new)])
    for got, want in zip(*found, strict=True):
        torch.testing.assert_close(got, want, rtol=tolerance, atol=tolerance)


def test_equal_maps_have_no_loss_and_no_gradient():
    new = [x.requires_grad_() for x in maps(0, extra=0)]
    old = [x.detach().clone() for x in new]
    parts = pooled_cube_distillation(old, new, spatial=[1.0] * 5, channel=[1.0] * 4)
    assert [part.item() for part in parts] == [0, 0]
    sum(parts).backward()
    assert all(torch.equal(x.grad, torch.zeros_like(x)) for x in new)


def test_sixteen_bit_maps_are_compared_in_float32():
    old, new = maps(0, torch.bfloat16, extra=0), maps(1, torch.bfloat16)
    factors = dict(spatial=[1.0] * 5, channel=[1.0] * 4)
    got = pooled_cube_distillation(old, new, **factors)
    want = pooled_cube_distillation(
        [x.float() for x in old], [*(x.float() for x in new[:-1]), new[-1].float()], **factors
    )
    assert got[0].dtype == torch.float32
    torch.testing.assert_close(got[1], want[1])
    torch.testing.assert_close(got[0], want[0], rtol=1e-2, atol=0)


def test_factors_grow_as_new_classes_become_few():
    method = RCIL(Step("test", "task", 1, GROUPS), pckd_maps=1.0, pckd_logits=1.0)
    old, new = maps(0, extra=0), maps(1)
    outputs = [Output(o[-1], o[-2], o[-3], {str(k): m for k, m in enumerate(o[:-2])}, ()) for o in (old, new)]
    spatial, channel = method.pooled_cubes(*outputs)
    plain = pooled_cube_distillation(old, new, spatial=[1.0] * 5, channel=[0.01] * 3 + [0.0005])
    torch.testing.assert_close(spatial, 2 * plain[0])  # sqrt(4 classes / 1 new)
    torch.testing.assert_close(channel, 2 * plain[1])
