"""SGD with Nesterov momentum in one fused kernel, kept from what that kernel gets wrong without a word."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor


class FusedSGD(torch.optim.SGD):
    """The optimizer of all published systems: SGD, Nesterov momentum 0.9, weight decay as the groups say.

    Momentum starts from zeros that are there before the first step. PyTorch's own (2.13, 2.14) is memory that
    nobody wrote, which the first step fills; where the loss scaler skips that step, the second takes it for
    momentum. Zeros give the same first step: 0.9 * 0 + gradient.

    The fused kernel of CPUs walks through weight, gradient and momentum as they lie in memory. So each is
    brought into the layout of its weight before a step, whoever put it there.

    Args:
        groups: parameter groups as of `Method.param_groups`, their "params" plain parameters.
        lr: for groups that have none. names: of the parameters; a saved state must be of the same names.
    """

    def __init__(self, groups: Iterable[dict], *, lr: float, names: Mapping[Tensor, str]):
        named = [
            group | {"params": [(names.get(p, f"parameter {k}"), p) for k, p in enumerate(group["params"])]}
            for group in groups
        ]
        super().__init__(named, lr=lr, momentum=0.9, nesterov=True, fused=True)
        self.align()

    @torch.no_grad()
    def step(self, closure=None):
        """One step along the gradients; parameters without one stay."""
        self.align()
        return super().step(closure)

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
        wrong = "the saved optimizer state does not fit; --overwrite trains the step again: "
        own, saved = self.param_groups, state_dict["param_groups"]
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
                momentum = state_dict["state"].get(index, {}).get("momentum_buffer")
                if momentum is not None and momentum.shape != parameter.shape:
                    shapes = f"{tuple(momentum.shape)}, now {tuple(parameter.shape)}"
                    raise ValueError(f"{wrong}{name} was {shapes}")
        super().load_state_dict(state_dict)
        self.align()


def lie_alike(one: Tensor, other: Tensor) -> bool:
    """Whether tensors of one shape hold their elements in one order; axes of one element do not count."""
    steps, others = one.stride(), other.stride()
    return steps == others or all(
        a == b for a, b, size in zip(steps, others, other.shape, strict=True) if size > 1
    )
