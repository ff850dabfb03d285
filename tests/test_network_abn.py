"""The activated batch norm: its formula, its gradients, and its statistics across processes."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F

from modules.abn import ABN


def drawn(norm, seed=0):
    """`norm` in float64 with weights of both signs and running statistics off their defaults."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in (norm.double().weight.data, norm.bias.data, norm.running_mean):
        tensor.normal_(generator=generator)
    norm.running_var.uniform_(0.5, 2.0, generator=generator)
    return norm


def images(count, seed=1):
    return torch.randn(count, 4, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("activation", ["leaky_relu", "identity", "elu"])
def test_affine_with_positive_scale_comes_before_the_activation(activation, training):
    norm, x = drawn(ABN(4, activation=activation)).train(training), images(2)
    mean, var = norm.running_mean, norm.running_var
    if training:
        var, mean = torch.var_mean(x, (0, 2, 3), correction=0)
    shape = (1, 4, 1, 1)
    xhat = (x - mean.view(shape)) / (var.view(shape) + 1e-5).sqrt()
    plain = (norm.weight.abs() + 1e-5).view(shape) * xhat + norm.bias.view(shape)
    act = {
        "leaky_relu": lambda y: F.leaky_relu(y, 0.01),
        "identity": lambda y: y,
        "elu": lambda y: F.elu(y, 0.01),
    }
    torch.testing.assert_close(norm(x), act[activation](plain))


@pytest.mark.parametrize("training", [True, False])
def test_gradients_are_those_of_the_formula(training):
    norm, x = drawn(ABN(4)).train(training), images(2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, *_: norm(x), (x, norm.weight, norm.bias), fast_mode=True)


def test_zero_weight_has_the_gradient_of_a_positive_one():
    norm, x = ABN(4).double(), images(2)
    norm.weight.data.zero_()
    cotangent = images(2, seed=2)
    norm(x).backward(cotangent)
    gradient = norm.weight.grad.clone()
    norm.weight.data.fill_(1e-12)
    norm.weight.grad = None
    norm(x).backward(cotangent)
    torch.testing.assert_close(gradient, norm.weight.grad, rtol=1e-4, atol=0)
    assert gradient.abs().min() > 0


def test_running_variance_is_unbiased_and_moves_by_the_momentum():
    norm, x = ABN(4).double(), images(3)
    norm(x)
    torch.testing.assert_close(norm.running_mean, 0.1 * x.mean((0, 2, 3)))
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * x.var((0, 2, 3)))


def test_one_value_per_channel_is_normalised_with_the_running_statistics():
    norm = drawn(ABN(4))
    before = {key: value.clone() for key, value in norm.state_dict().items()}
    x = images(1)[..., :1, :1]
    trained = norm.train()(x)
    torch.testing.assert_close(trained, norm.eval()(x))
    assert all(torch.equal(value, before[key]) for key, value in norm.state_dict().items())


def test_counters_of_later_library_versions_are_tolerated():
    norm = ABN(4)
    state = ABN(4).state_dict() | {"num_batches_tracked": torch.tensor(7)}
    norm.load_state_dict(state)
    assert "num_batches_tracked" not in norm.state_dict()


def test_layout_in_memory_is_kept():
    x = images(2).float().contiguous(memory_format=torch.channels_last)
    assert ABN(4)(x).is_contiguous(memory_format=torch.channels_last)


COUNTS = [2, 3]  # images of each process


def two_norms():
    """Two norms in a row: the second one's statistics depend on the first one's."""
    return torch.nn.ModuleList([drawn(ABN(4), 3), drawn(ABN(4, activation="identity"), 4)])


def passed(norms, x, cotangent):
    """Output, gradients and running statistics of one training pass, as one dictionary."""
    x = x.clone().requires_grad_()
    y = norms[1](norms[0](x))
    y.backward(cotangent)
    grads = {f"grad {name}": p.grad for name, p in norms.named_parameters()}
    return {"y": y.detach(), "dx": x.grad} | grads | {name: b.clone() for name, b in norms.named_buffers()}


def one_process(rank, address, results):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=len(COUNTS))
    x, cotangent = (part.split(COUNTS)[rank] for part in (images(5), images(5, seed=2)))
    found = passed(two_norms(), x, cotangent)
    # One value per channel on every process: together they have a variance.
    pooled = ABN(4).double()(images(2)[rank : rank + 1, :, :1, :1])
    half = ABN(4)(x.bfloat16())
    dist.destroy_process_group()
    torch.save(found | {"pooled": pooled.detach(), "half": half.detach()}, f"{results}/{rank}.pt")


@pytest.mark.slow
def test_unequal_batches_of_two_processes_equal_one_process_with_both(tmp_path):
    mp.spawn(one_process, (f"file://{tmp_path}/rendezvous", str(tmp_path)), nprocs=len(COUNTS))
    ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in range(len(COUNTS))]
    want = passed(two_norms(), images(5), images(5, seed=2))
    for key, value in want.items():
        parts = [rank[key] for rank in ranks]
        if key in ("y", "dx"):
            got = torch.cat(parts)
        elif key.startswith("grad"):
            got = sum(parts)  # local sums; DistributedDataParallel averages them
        else:
            assert torch.equal(*parts), key
            got = parts[0]
        torch.testing.assert_close(
            got, value, rtol=1e-12, atol=1e-12, msg=lambda text, key=key: f"{key}: {text}"
        )
    pooled = ABN(4).double()(images(2)[:, :, :1, :1])
    torch.testing.assert_close(torch.cat([rank["pooled"] for rank in ranks]), pooled)
    half = torch.cat([rank["half"] for rank in ranks])
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half, ABN(4)(images(5).bfloat16()), rtol=2e-2, atol=2e-2)
