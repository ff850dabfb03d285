"""Local POD: distances of pooled maps, against the loop over regions."""

import pytest
import torch

from utils.losses.pod import pod, pod_distance, strip_sums


def textbook_strips(maps, scales=(1, 2, 4)):
    """Both means of every region, one region after another, as published."""
    side, parts = maps.shape[-1], []
    for scale in scales:
        k = side // scale
        for i in range(scale):
            for j in range(scale):
                region = maps[:, :, i * k : (i + 1) * k, j * k : (j + 1) * k]
                parts += [region.mean(3).flatten(1), region.mean(2).flatten(1)]
    return torch.cat(parts, dim=1)


def textbook_distance(old, new):
    if new.shape[1] > old.shape[1]:
        extra = new[:, old.shape[1] :].sum(1, keepdim=True)
        new = torch.cat([new[:, :1] + extra, new[:, 1 : old.shape[1]]], dim=1)
    return (textbook_strips(old**2) - textbook_strips(new**2)).norm(dim=1)


def two_maps(size, *, extra=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(sum(size))
    old = torch.randn(3, 6, *size, generator=generator, dtype=dtype)
    return old, torch.randn(3, 6 + extra, *size, generator=generator, dtype=dtype).requires_grad_()


@pytest.mark.parametrize("size", [(16, 16), (11, 11), (6, 6), (4, 4), (33, 33), (13, 9), (11, 12), (7, 8)])
@pytest.mark.parametrize("extra", [0, 2])
def test_pod_equals_the_loop_over_regions(size, extra):
    old, new = two_maps(size, extra=extra)
    want = textbook_distance(old, new)
    got = pod_distance(old, new)
    torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)
    weights = torch.arange(1.0, 4.0, dtype=torch.float64)
    gradients = [torch.autograd.grad((weights * distance).sum(), new)[0] for distance in (got, want)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


def test_pod_does_not_depend_on_the_layout_in_memory():
    old, new = two_maps((8, 8))
    last = [maps.contiguous(memory_format=torch.channels_last) for maps in (old, new)]
    torch.testing.assert_close(pod_distance(*last), pod_distance(old, new))


def test_equal_maps_have_distance_zero_and_a_zero_gradient():
    old, _ = two_maps((8, 8))
    new = old.clone().requires_grad_()
    distance = pod_distance(old, new)
    distance.sum().backward()
    assert torch.equal(distance, torch.zeros(3)) and not new.grad.any()


def test_half_precision_maps_are_compared_in_float32():
    old, new = (300 * maps.detach().half() for maps in two_maps((8, 8), dtype=torch.float32))
    distance = pod_distance(old, new)  # the squares are beyond float16
    assert distance.dtype == torch.float32
    torch.testing.assert_close(distance, textbook_distance(old.float(), new.float()), rtol=1e-4, atol=0)


@pytest.mark.parametrize("size", [(8, 3), (6, 8), (2, 2)])
def test_maps_too_small_for_the_regions_are_refused_with_the_cure(size):
    with pytest.raises(ValueError, match="larger, square crops"):
        strip_sums(torch.zeros(1, 1, *size), (1, 2, 4))


def test_layers_without_weight_count_in_the_mean():
    old, new = two_maps((8, 8))
    one = pod([old], [new], [2.0], schedule=3.0)
    torch.testing.assert_close(one, 6 * pod_distance(old, new).mean())
    torch.testing.assert_close(pod([old, old], [new, new], [2.0, 0.0], schedule=3.0), one / 2)
