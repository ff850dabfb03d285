"""The optimizers by name: AdamW, and SGD in a fused kernel, kept from what that gets wrong silently."""

from collections.abc import Iterable, Mapping
from inspect import unwrap

import torch
from torch import Tensor
from torch.optim.sgd import sgd

from utils.optimizers import OPTIMIZERS

RATES = ("weight_decay", "momentum", "lr", "dampening", "nesterov", "maximize", "fused")


class Uncompiled(torch.optim.Optimizer):
    """Methods as they are behind the decorator that keeps them out of compiled code.

    It imports PyTorch's compiler for that, a third of the CPU time before the first batch, and no optimizer
    is compiled here.
    """

    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = unwrap(torch.optim.Optimizer.load_state_dict)


class FusedSGD(Uncompiled, torch.optim.SGD):
    """The optimizer of all published systems: SGD, Nesterov momentum 0.9, weight decay as the groups say.

    Momentum starts from zeros that are there before the first step. PyTorch's own (2.13, 2.14) is memory that
    nobody wrote, which the first step fills; where the loss scaler skips that step, the second takes it for
    momentum. Zeros give the same first step: 0.9 * 0 + gradient.

    The fused kernel of CPUs walks through weight, gradient and momentum as they lie in memory. So each is
    brought into the layout of its weight before a step, whoever put it there. And each is shown to it
    with its axes in the order of memory: of other tensors the kernel makes a copy that it never reads.

    Args:
        groups: parameter groups as of `Method.param_groups`, their "params" plain parameters.
        lr: for groups that have none. names: of the parameters; a saved state must be of the same names.
    """

    def __init__(self, groups: Iterable[dict], *, lr: float, names: Mapping[Tensor, str]):
        super().__init__(named_groups(groups, names), lr=lr, momentum=0.9, nesterov=True, fused=True)
        self.align()

    @torch.no_grad()
    def step(self, closure=None):
        """One step along the gradients; parameters without one stay."""
        assert closure is None, "no method evaluates its loss again"
        self.align()
        scaler = {name: getattr(self, name, None) for name in ("grad_scale", "found_inf")}
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            gradients = [parameter.grad for parameter in moved]
            buffers = [self.state[parameter]["momentum_buffer"] for parameter in moved]
            rates = {name: group[name] for name in RATES}
            sgd(*(list(map(as_it_lies, some)) for some in (moved, gradients, buffers)), **rates, **scaler)

    @torch.no_grad()
    def align(self) -> None:
        """Give gradient and momentum of every parameter its layout, and momentum to those without any."""
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                momentum, gradient = state.get("momentum_buffer"), parameter.grad
                if momentum is None:
                    state["momentum_buffer"] = torch.zeros_like(parameter)
                elif not lie_alike(momentum, parameter):
                    state["momentum_buffer"] = torch.empty_like(parameter).copy_(momentum)
                if gradient is not None and not lie_alike(gradient, parameter):
                    parameter.grad = torch.empty_like(parameter).copy_(gradient)

    def load_state_dict(self, state_dict: dict) -> None:
        """Continue from `state_dict`, which PyTorch would pair with the parameters by position alone.

        Raises:
            ValueError: if it is of other parameters, by name or by shape.
        """
        check_fits(self, state_dict, moments=("momentum_buffer",))
        super().load_state_dict(state_dict)
        self.align()


class NamedAdamW(Uncompiled, torch.optim.AdamW):
    """AdamW (Loshchilov and Hutter 2019) whose saved state knows its parameters by name.

    Args: as of `FusedSGD`.
    """

    def __init__(self, groups: Iterable[dict], *, lr: float, names: Mapping[Tensor, str]):
        super().__init__(named_groups(groups, names), lr=lr)

    def load_state_dict(self, state_dict: dict) -> None:
        """Continue from `state_dict`; ValueError if it is of other parameters, by name or by shape."""
        check_fits(self, state_dict, moments=("exp_avg", "exp_avg_sq"))
        super().load_state_dict(state_dict)


def make_optimizer(
    name: str, groups: list[dict], net: torch.nn.Module, *, lr: float, clip: float = 0.0
) -> torch.optim.Optimizer:
    """The optimizer `name` of OPTIMIZERS for `groups` of parameters of `net`.

    Before each step, gradients whose norm, of all together, exceeds `clip` are scaled to it, unless that is
    0: the unscaled ones, averaged over processes, as `Method.after_backward` left them.
    """
    names = {parameter: name for name, parameter in net.named_parameters()}
    optimizer = OPTIMIZERS[name](groups, lr=lr, names=names)
    if clip:
        moved = [parameter for group in optimizer.param_groups for parameter in group["params"]]

        def shorten(*_) -> None:
            torch.nn.utils.clip_grad_norm_(moved, clip)

        optimizer.register_step_pre_hook(shorten)
    return optimizer


def named_groups(groups: Iterable[dict], names: Mapping[Tensor, str]) -> list[dict]:
    """`groups` in which each parameter has its name, or its number within the group."""
    return [
        group | {"params": [(names.get(p, f"parameter {k}"), p) for k, p in enumerate(group["params"])]}
        for group in groups
    ]


def check_fits(optimizer: torch.optim.Optimizer, state_dict: dict, *, moments: tuple[str, ...]) -> None:
    """Refuse a saved state that is not of the parameters of `optimizer`, by names and shapes of `moments`.

    Raises:
        ValueError: saying what differs first.
    """
    wrong = "the saved optimizer state does not fit; --overwrite trains the step again: "
    own, saved = optimizer.param_groups, state_dict["param_groups"]
    sizes = [[len(group["params"]) for group in groups] for groups in (saved, own)]
    if sizes[0] != sizes[1]:
        raise ValueError(f"{wrong}it is of {sizes[0]} parameters, but {sizes[1]} train now")
    for group, old in zip(own, saved, strict=True):
        names = group["param_names"]
        for name, before, parameter, index in zip(
            names, old.get("param_names", names), group["params"], old["params"], strict=True
        ):
            if name != before:
                raise ValueError(f"{wrong}it has {before} where {name} trains now")
            kept = state_dict["state"].get(index, {})
            for moment in (kept[key] for key in moments if kept.get(key) is not None):
                if moment.shape != parameter.shape:
                    shapes = f"{tuple(moment.shape)}, now {tuple(parameter.shape)}"
                    raise ValueError(f"{wrong}{name} was {shapes}")


def as_it_lies(tensor: Tensor) -> Tensor:
    """A view of `tensor` with its axes in the order of memory: contiguous, if the elements are."""
    if tensor.is_contiguous():
        return tensor
    return tensor.permute(sorted(range(tensor.dim()), key=tensor.stride, reverse=True))


def lie_alike(one: Tensor, other: Tensor) -> bool:
    """Whether tensors of one shape hold their elements in one order; axes of one element do not count."""
    steps, others = one.stride(), other.stride()
    return steps == others or all(
        a == b for a, b, size in zip(steps, others, other.shape, strict=True) if size > 1
    )
