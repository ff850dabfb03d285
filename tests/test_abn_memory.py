"""The norm that keeps less: the same numbers, the bytes it saves, and its statistics across processes."""

import sys
import types

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from models import build_backbone
from models.resnet import resnet50
from modules.abn import ABN
from modules.iabn import iabn
from modules.lean_abn import LeanABN, LeanBlock
from modules.norms import BLOCKS, NORMS
from modules.residual import ResidualBlock

BOUND = {torch.float32: 1e-6, torch.float64: 1e-10}
BLOCK_SHAPES = {"identity": (16, (4, 4, 16)), "projection": (8, (4, 4, 16)), "basic": (8, (8, 8))}


def spread(module: nn.Module) -> nn.Module:
    """Scales of both signs and biases, as training leaves them."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for norm in module.modules():
            if isinstance(norm, ABN):
                norm.weight.uniform_(0.5, 1.5, generator=generator)
                norm.weight[::2] *= -1
                norm.bias.normal_(generator=generator)
    return module


def images(n: int, channels: int, dtype=torch.float64, *, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, channels, 6, 5, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def everything(module: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Output, gradients and statistics of one training pass."""
    x = x.clone().requires_grad_()
    out = module(x)
    cotangent = torch.randn(out.shape, dtype=out.dtype, generator=torch.Generator().manual_seed(9))
    out.backward(cotangent)
    grads = {f"grad {key}": p.grad for key, p in module.named_parameters()}
    return {"y": out.detach(), "dx": x.grad} | grads | {key: b.clone() for key, b in module.named_buffers()}


def assert_same(got: dict, want: dict, bound: float) -> None:
    for key, value in want.items():
        error = (got[key] - value).norm() / value.norm()
        assert error <= bound, (key, error)


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("activation", ["leaky_relu", "identity"])
def test_a_lean_norm_gives_the_plain_gradients(activation, dtype):
    plain, lean = (spread(kind(6, activation=activation)).to(dtype) for kind in (ABN, LeanABN))
    x = images(3, 6, dtype)
    assert_same(everything(lean, x), everything(plain, x), BOUND[dtype])


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("shape", BLOCK_SHAPES)
def test_a_lean_block_gives_the_plain_gradients(shape, dtype):
    torch.manual_seed(0)
    plain = spread(ResidualBlock(*BLOCK_SHAPES[shape])).to(dtype)
    lean = LeanBlock(*BLOCK_SHAPES[shape], norm=LeanABN).to(dtype)
    lean.load_state_dict(plain.state_dict())
    x = images(3, BLOCK_SHAPES[shape][0], dtype)
    assert_same(everything(lean, x), everything(plain, x), BOUND[dtype])


@pytest.mark.parametrize("training", [True, False])
def test_the_map_for_distillation_can_be_differentiated_too(training):
    plain = spread(ResidualBlock(16, (4, 4, 16))).double().train(training)
    lean = LeanBlock(16, (4, 4, 16), norm=LeanABN).double().train(training)
    lean.load_state_dict(plain.state_dict())
    x, found = images(2, 16), []
    for block in (plain, lean):
        out, total = block.with_map(x)
        (out.square().sum() + total.pow(3).sum()).backward()
        found.append([out.detach(), total.detach(), *(p.grad for p in block.parameters())])
    for got, want in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)


def test_gradients_are_those_of_the_formula():
    lean = spread(LeanABN(4)).double()
    inputs = (images(2, 4).requires_grad_(), lean.weight, lean.bias)
    assert torch.autograd.gradcheck(lambda x, *_: lean(x), inputs, fast_mode=True)
    block = spread(LeanBlock(4, (2, 2, 4), norm=LeanABN)).double()
    assert torch.autograd.gradcheck(block, images(2, 4).requires_grad_(), fast_mode=True)


@pytest.mark.parametrize("weight", [0.0, 1e-7])
def test_a_channel_without_scale_keeps_finite_gradients(weight):
    lean = LeanABN(4)
    nn.init.constant_(lean.weight, weight)
    nn.init.constant_(lean.bias, 1.0)
    found = everything(lean, images(2, 4, torch.float32))
    assert all(torch.isfinite(value).all() for value in found.values())


def test_evaluation_and_single_values_are_left_to_the_plain_norm():
    plain, lean = spread(ABN(4)), spread(LeanABN(4))
    x = images(2, 4, torch.float32)
    assert torch.equal(lean.eval()(x), plain.eval()(x))
    pooled = x[:1, :, :1, :1]
    assert torch.equal(lean.train()(pooled), plain.train()(pooled))


def test_autocast_loses_no_more_than_the_plain_norm_does():
    """Error of the gradients in bfloat16, measured against float64."""
    torch.manual_seed(0)
    plain = spread(ResidualBlock(32, (8, 8, 32)))
    lean = LeanBlock(32, (8, 8, 32), norm=LeanABN)
    exact = ResidualBlock(32, (8, 8, 32)).double()
    for block in (lean, exact):
        block.load_state_dict(plain.state_dict())
    x = images(4, 32)
    want = everything(exact, x)
    errors = []
    for block in (plain, lean):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = everything(block, x.bfloat16())
        keys = [key for key in want if key.startswith(("grad", "dx"))]
        errors.append(sum(float((found[key] - want[key]).norm() / want[key].norm()) for key in keys))
    assert errors[1] <= 1.1 * errors[0]


def saved_bytes(module: nn.Module, x: torch.Tensor) -> int:
    """Bytes of all tensors that the backward pass keeps, without the parameters."""
    own = {p.untyped_storage().data_ptr() for p in module.parameters()}
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        _out = module(x)
    return sum(storage.nbytes() for storage in kept.values())


def test_lean_blocks_save_forty_percent_of_what_the_backward_pass_keeps():
    x = torch.randn(1, 3, 64, 64)
    plain, lean = resnet50(), resnet50(norm=NORMS["lean"], block=BLOCKS["lean"])
    layers = resnet50(norm=NORMS["lean"])
    most = saved_bytes(plain, x)
    assert saved_bytes(lean, x) <= 0.6 * most
    assert 0.8 * most <= saved_bytes(layers, x) <= 0.85 * most


COUNTS = [2, 3]  # images of each process


def chain() -> nn.Sequential:
    """Norms and blocks in a row: the later statistics depend on the earlier ones."""
    torch.manual_seed(0)
    return spread(nn.Sequential(LeanABN(4), LeanBlock(4, (2, 2, 8), norm=LeanABN))).double()


def one_process(rank: int, address: str, results: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=len(COUNTS))
    net, x = chain(), images(5, 4).split(COUNTS)[rank].clone().requires_grad_()
    out = net(x)
    out.backward(images(5, 8, seed=2).split(COUNTS)[rank])
    dist.destroy_process_group()
    grads = {f"grad {key}": p.grad for key, p in net.named_parameters()}
    torch.save({"y": out.detach(), "dx": x.grad} | grads | dict(net.named_buffers()), f"{results}/{rank}.pt")


@pytest.mark.slow
def test_unequal_batches_of_two_processes_equal_one_process_with_both(tmp_path):
    mp.spawn(one_process, (f"file://{tmp_path}/rendezvous", str(tmp_path)), nprocs=len(COUNTS))
    ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in range(len(COUNTS))]
    net, x = chain(), images(5, 4).requires_grad_()
    out = net(x)
    out.backward(images(5, 8, seed=2))
    want = {"y": out.detach(), "dx": x.grad} | {f"grad {key}": p.grad for key, p in net.named_parameters()}
    for key, value in (want | dict(net.named_buffers())).items():
        parts = [rank[key] for rank in ranks]
        got = torch.cat(parts) if key in ("y", "dx") else sum(parts) if key.startswith("grad") else parts[0]
        torch.testing.assert_close(got, value, rtol=1e-11, atol=1e-11)


def test_the_package_is_asked_for_in_one_line_when_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "inplace_abn", None)
    with pytest.raises(ValueError, match="pip install") as caught:
        iabn(4)
    assert "\n" not in str(caught.value)


def test_the_package_gets_the_published_numbers(monkeypatch):
    calls = []
    package = types.SimpleNamespace(
        InPlaceABN=lambda channels, **options: calls.append((channels, options)), InPlaceABNSync=None
    )
    monkeypatch.setitem(sys.modules, "inplace_abn", package)
    NORMS["iabn"](8, activation="identity")
    options = {"activation": "identity", "activation_param": 0.01, "eps": 1e-5, "momentum": 0.1}
    assert calls == [(8, options)]


def test_ordinary_batch_norm_with_relu_is_among_the_norms():
    norm, plain = NORMS["bn_relu"](4), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU())
    for module in (norm, plain[0]):
        nn.init.constant_(module.weight, -0.5)
    x = images(2, 4, torch.float32)
    torch.testing.assert_close(norm(x), plain(x))


def test_a_norm_is_chosen_by_its_name():
    lean = build_backbone("tiny", norm="lean")
    assert {type(m) for m in lean.modules() if isinstance(m, (ABN, ResidualBlock))} == {LeanABN, LeanBlock}
    plain = build_backbone("tiny")
    assert plain.state_dict().keys() == lean.state_dict().keys()
    with pytest.raises(ValueError, match="not for tiny: it can be abn, lean, iabn"):
        build_backbone("tiny", norm="bn_relu")
    with torch.device("meta"):
        assert build_backbone("timm:resnet18", norm="bn_relu").out_channels == 512
