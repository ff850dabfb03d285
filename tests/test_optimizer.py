"""What moves the weights: no memory that nobody wrote, no layout that does not fit, no state of others."""

import copy
import math
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from tests.builders import SilentLog, TinyLoader, make_method
from train import Training, fit, optimizer_step, start
from utils.optimizer import OPTIMIZERS, FusedSGD, make_optimizer

CPU = torch.device("cpu")
LAYOUTS = [torch.contiguous_format, torch.channels_last]
RATES = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}


def gradients(method, number: int, factor: float = 1.0) -> None:
    """The gradients of batch `number`, times `factor`, are there."""
    generator = torch.Generator().manual_seed(number)
    for parameter in method.net.trainable():
        parameter.grad = factor * torch.randn(parameter.shape, generator=generator).to(parameter)


def weights(method) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in method.net.parameters()]


@pytest.mark.parametrize("skipped", [1, 2])
def test_momentum_after_steps_that_the_loss_scaler_skipped_is_that_of_fp32(skipped):
    """Usual at the first scale of 65536; what the first steps leave must not be taken for momentum."""
    scaled, plain = make_method("FT", 0), make_method("FT", 0)
    constant = {"epochs": 4, "lr": 0.01, "lr_power": 0.0}  # a skipped step uses up a learning rate
    first = start(scaled, Training(**constant, scale_loss=True), batches=2, device=CPU)
    second = start(plain, Training(**constant), batches=2, device=CPU)
    before = weights(scaled)
    for number in range(5):
        scale = first.scaler.get_scale() if number else 65536.0  # it is chosen when first used
        first.scaler.scale(torch.zeros(()))
        gradients(scaled, number, math.inf if number < skipped else scale)
        optimizer_step(scaled, first)
        if number < skipped:
            assert all(map(torch.equal, weights(scaled), before))
        else:
            gradients(plain, number)
            optimizer_step(plain, second)
        assert first.skipped == (number + 1 if number < skipped else 0)
    for one, other in zip(weights(scaled), weights(plain), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_steps_that_overflow_again_and_again_end_the_run():
    method = make_method("FT", 0)
    progress = start(method, Training(epochs=4, lr=0.01, scale_loss=True), batches=9, device=CPU)
    for number in range(20):
        progress.scaler.scale(torch.zeros(()))
        gradients(method, number, math.inf)
        with nullcontext() if number < 19 else pytest.raises(FloatingPointError, match="20 optimizer steps"):
            optimizer_step(method, progress)


def test_momentum_is_written_before_the_first_step():
    with_fill = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)  # fills what nobody writes with nan
    try:
        method = make_method("FT", 0)
        progress = start(method, Training(epochs=1, lr=0.01, scale_loss=True), batches=3, device=CPU)
        for factor in (math.inf, 1.0, 1.0):
            progress.scaler.scale(torch.zeros(()))
            gradients(method, 0, factor)
            optimizer_step(method, progress)
    finally:
        torch.use_deterministic_algorithms(with_fill)
    assert all(weight.isfinite().all() for weight in weights(method))


def test_a_parameter_whose_gradient_comes_later_starts_with_its_first_gradient():
    ours, theirs = two_convolutions()
    for number in range(3):
        for net in (ours[0], theirs[0]):
            torch.manual_seed(number)
            net[0].weight.grad = torch.randn(8, 4, 3, 3)
            net[1].weight.grad = torch.randn(8, 8, 3, 3) if number else None
        ours[1].step()
        theirs[1].step()
    same_weights(ours[0], theirs[0])


def two_convolutions(layout=torch.contiguous_format):
    """Twice the same net, with our optimizer and with PyTorch's, one tensor after the other."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(4, 8, 3, bias=False), nn.Conv2d(8, 8, 3, bias=False)).to(
        memory_format=layout
    )
    twin = copy.deepcopy(net)
    names = {parameter: name for name, parameter in net.named_parameters()}
    groups = [{"params": list(net.parameters()), "weight_decay": RATES["weight_decay"]}]
    ours = FusedSGD(groups, lr=RATES["lr"], names=names)
    return (net, ours), (twin, torch.optim.SGD(twin.parameters(), foreach=False, **RATES))


def same_weights(one, other) -> None:
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("weight", LAYOUTS)
@pytest.mark.parametrize("gradient", LAYOUTS)
@pytest.mark.parametrize("momentum", LAYOUTS)
def test_gradient_and_momentum_set_by_hand_move_the_weights_they_belong_to(weight, gradient, momentum):
    ours, theirs = two_convolutions(weight)
    for net, optimizer in (ours, theirs):
        torch.manual_seed(1)
        for parameter in net.parameters():
            parameter.grad = torch.randn(parameter.shape).to(memory_format=gradient)
            buffer = torch.randn(parameter.shape).to(memory_format=momentum)
            optimizer.state[parameter]["momentum_buffer"] = buffer
        optimizer.step()
    same_weights(ours[0], theirs[0])


@pytest.mark.parametrize("saved", LAYOUTS)
@pytest.mark.parametrize("own", LAYOUTS)
def test_a_state_saved_in_another_layout_continues_as_unfused(saved, own):
    before, _ = two_convolutions(saved)
    ours, theirs = two_convolutions(own)
    for number in range(3):
        for net, optimizer in (before,) if number < 2 else (ours, theirs):
            torch.manual_seed(number)
            for parameter in net.parameters():
                parameter.grad = torch.randn(parameter.shape)
            if number == 2:
                net.load_state_dict(before[0].state_dict())
                optimizer.load_state_dict(copy.deepcopy(before[1].state_dict()))
                optimizer.param_groups[0]["fused"] = optimizer is ours[1]
            optimizer.step()
    same_weights(ours[0], theirs[0])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_importance_weights_of_another_layout_hold_back_the_weights_they_belong_to(layout):
    """EWC, with the anchor and the Fisher matrix of a file, against the same step in float64 and unfused."""

    def laid(tensor):
        return tensor.contiguous(memory_format=layout) if tensor.dim() == 4 else tensor

    method = make_method("EWC", 1)
    method.net.to(memory_format=torch.channels_last)
    method.reg_importance, method.reg_normalize = 0.5, False
    fisher = {name: laid(torch.rand(p.shape)) for name, p in method.net.named_parameters()}
    method.load_state_dict({"step": 0, "finished": {"fisher": fisher}})
    method.anchor = {name: laid(p.detach() + 0.1) for name, p in method.net.named_parameters()}
    progress = start(method, Training(epochs=1, lr=0.01), batches=4, device=CPU)
    gradients(method, 0)
    want = {}
    for name, parameter in method.net.named_parameters():
        slope, value, anchor = (x.detach().double() for x in (parameter.grad, parameter, method.anchor[name]))
        slope = slope + fisher[name].double() * (value - anchor) + 1e-4 * value
        want[name] = value - 0.01 * 1.9 * slope
    optimizer_step(method, progress)
    for name, parameter in method.net.named_parameters():
        torch.testing.assert_close(parameter.double(), want[name], rtol=1e-5, atol=1e-6, msg=name)


def test_state_of_other_parameters_is_refused_by_name():
    method, other = make_method("FT", 1), make_method("FT", 1)
    other.net.freeze(other.net.cls[0])  # as many tensors and shapes may fit; the names do not
    method.net.freeze(method.net.cls[1])
    states = [start(m, Training(epochs=1, lr=0.01), batches=1, device=CPU) for m in (method, other)]
    message = r"it has cls\.0\.weight where cls\.1\.weight trains now"
    with pytest.raises(ValueError, match=message):
        states[1].load_state_dict(states[0].state_dict())


def test_state_of_more_parameters_or_other_shapes_is_refused():
    (_, ours), _ = two_convolutions()
    state = copy.deepcopy(ours.state_dict())
    state["state"][0]["momentum_buffer"] = torch.zeros(1)
    with pytest.raises(ValueError, match=r"0\.weight was \(1,\), now \(8, 4, 3, 3\)"):
        ours.load_state_dict(state)
    fewer = FusedSGD([{"params": ours.param_groups[0]["params"][:1]}], lr=0.1, names={})
    with pytest.raises(ValueError, match=r"of \[1\] parameters, but \[2\] train now"):
        ours.load_state_dict(fewer.state_dict())


def test_state_from_before_names_were_kept_loads():
    (net, ours), _ = two_convolutions()
    old = torch.optim.SGD(net.parameters(), **RATES)
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    old.step()
    ours.load_state_dict(old.state_dict())
    assert all((ours.state[p]["momentum_buffer"] > 0).any() for p in net.parameters())


def plain_sgd(groups, *, lr, names):
    """PyTorch's own, one tensor after the other."""
    return torch.optim.SGD(groups, lr, momentum=0.9, nesterov=True, foreach=False)


def test_a_whole_training_is_that_of_the_plain_optimizer(monkeypatch):
    """Groups, weight decay, schedule, Nesterov: the loop with PyTorch's own unfused SGD ends alike."""
    found = []
    for kind in (FusedSGD, plain_sgd):
        monkeypatch.setitem(OPTIMIZERS, "sgd", kind)
        method = make_method("FT", 0)
        loader, training = TinyLoader(method.step, batches=3), Training(epochs=2, lr=0.01)
        fit(method, loader, training, device=CPU, log=SilentLog())
        found.append(weights(method))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_gradients_are_clipped_together_before_a_step_and_not_where_0_says_so(name):
    moved = {}
    for clip in (0.0, 0.5, 1e6):
        net = nn.Linear(3, 2)
        nn.init.ones_(net.weight)
        optimizer = make_optimizer(name, [{"params": list(net.parameters())}], net, lr=0.1, clip=clip)
        for parameter in net.parameters():
            parameter.grad = torch.full_like(parameter, 2.0)
        optimizer.step()
        norm = torch.stack([p.grad.norm() for p in net.parameters()]).norm()
        assert norm.item() == pytest.approx(0.5 if clip == 0.5 else 2 * 8**0.5, rel=1e-4)
        moved[clip] = net.weight.detach().clone()
    assert torch.equal(moved[0.0], moved[1e6])
    # What AdamW moves by does not depend on the size of its first gradient; SGD's step does.
    assert torch.allclose(moved[0.0], moved[0.5], atol=1e-6) == (name == "adamw")


def test_adamw_goes_on_from_its_saved_state_with_the_same_bits_and_refuses_that_of_others():
    def trained(optimizer, net, steps):
        for number in steps:
            for parameter in net.parameters():
                generator = torch.Generator().manual_seed(number)
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            optimizer.step()
        return net.weight.detach().clone()

    nets = [nn.Linear(3, 2) for _ in range(2)]
    first, second = (make_optimizer("adamw", [{"params": list(n.parameters())}], n, lr=0.1) for n in nets)
    trained(first, nets[0], range(3))
    nets[1].load_state_dict(nets[0].state_dict())
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    pairs = zip((first, second), nets, strict=True)
    assert torch.equal(*(trained(one, net, range(3, 6)) for one, net in pairs))
    renamed = nn.ModuleDict({"other": nets[1]})
    others = make_optimizer("adamw", [{"params": list(renamed.parameters())}], renamed, lr=0.1)
    with pytest.raises(ValueError, match="it has weight where other.weight trains now"):
        others.load_state_dict(first.state_dict())
    wider = nn.Linear(4, 2)
    others = make_optimizer("adamw", [{"params": list(wider.parameters())}], wider, lr=0.1)
    with pytest.raises(ValueError, match=r"weight was \(2, 3\), now \(2, 4\)"):
        others.load_state_dict(first.state_dict())


class Shown(TorchDispatchMode):
    """Notes what the fused kernel is given."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten._fused_sgd_.default:
            self.tensors = [tensor for some in args[:3] for tensor in some]
        return function(*args, **kwargs or {})


def test_the_fused_kernel_is_shown_nothing_that_it_would_copy():
    ours, _ = two_convolutions(torch.channels_last)
    for parameter in ours[0].parameters():
        parameter.grad = torch.randn_like(parameter)
    with Shown() as shown:
        ours[1].step()
    assert len(shown.tensors) == 6
    assert all(tensor.is_contiguous() for tensor in shown.tensors)
