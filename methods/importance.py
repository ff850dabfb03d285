"""What EWC, PI and RW share: fine-tuning with a quadratic penalty on changes of important weights."""

import logging
from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from methods.base import Method
from utils.distributed import is_main

Named = dict[str, Tensor]  # a tensor for each parameter of the network


class ImportancePenalty(Method):
    """Fine-tuning plus reg_importance * sum_i w_i (theta_i - theta_old_i)^2 over the old network's weights.

    w is the importance of each weight as estimated in the previous step, scaled within each parameter tensor.
    The gradient of the penalty, 2 w (theta - theta_old), is added in `after_backward`, after the statistics
    of the loss's own gradient were updated. Gradients are averaged over processes by then, so all processes
    agree. Statistics are saved unscaled. Formulas: MiB, utils/regularizer.py.
    """

    reg_importance: Annotated[float, "weight of the penalty (presets EWC, PI: MiB 500, PLOP 100)"] = 500.0
    reg_normalize: Annotated[bool, "scale importance to 0..1 (off: MiB --reg_no_normalize)"] = True

    step0_as = "FT"
    gathers_at_step0 = True
    weighs: ClassVar[tuple[str, ...]] = ()  # statistics of the previous step whose sum is w

    def __init__(self, step, **hyper):
        super().__init__(step, **hyper)
        self.anchor: Named = {}  # theta_old
        self.previous: dict[str, Named] = {}  # statistics saved by the previous step
        self.running: dict[str, Named] = {}  # statistics of this step so far
        self.finished: dict[str, Named] = {}  # statistics saved for the next step
        self._trainable: Named = {}  # parameters; filled before the first batch, as is `_held`
        self._held: list[tuple[Tensor, Tensor, Tensor]] = []  # theta, theta_old, w of those with a penalty

    def begin(self, parameters: Named) -> None:
        """Start the statistics in `running`."""

    def update(self, names: list[str], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        """Update `running` with the gradient of the loss at `parameters`, in place."""

    def finish(self, parameters: Named) -> dict[str, Named]:
        """The statistics for the next step."""
        return {name: self.running[name] for name in self.weighs}

    # -- the penalty ---------------------------------------------------------------------------------------
    @torch.no_grad()
    def prepare(self) -> None:
        """Before the first batch: tensors of the penalty to the device; begin or resume the statistics."""
        if self._trainable:
            return
        parameters = self._trainable = {name: p for name, p in self.net.named_parameters() if p.requires_grad}
        stored = [self.previous.get(name, {}) for name in self.weighs]
        for name, parameter in parameters.items():
            if name in self.anchor and all(name in importance for importance in stored):
                scale = scaled if self.reg_normalize else torch.clone
                weight = sum(scale(importance[name].to(parameter)) for importance in stored)
                self._held.append((parameter, self.anchor[name].to(parameter), weight))
        if self.running:
            for tensors in self.running.values():
                tensors.update({n: t.to(parameters[n]) for n, t in tensors.items() if n in parameters})
        else:
            self.begin(parameters)

    def pull(self) -> tuple[list[Tensor], list[Tensor]]:
        """Theta - theta_old of the parameters with a penalty, and the same times w."""
        parameters, anchors, weights = (list(column) for column in zip(*self._held, strict=True))
        moved = torch._foreach_sub(parameters, anchors)
        return moved, torch._foreach_mul(moved, weights)

    @torch.no_grad()
    def penalty(self) -> Tensor:
        """sum_i w_i (theta_i - theta_old_i)^2, a scalar without graph."""
        self.prepare()
        if not self._held:
            return next(iter(self._trainable.values())).new_zeros(())
        moved, weighted = self.pull()
        terms = torch._foreach_mul(moved, weighted)  # none is negative, so their 1-norm is their sum
        return torch.stack(torch._foreach_norm(terms, 1)).sum()

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        losses = super().losses(images, labels)
        if self.step.index > 0:
            losses["penalty"] = self.reg_importance * self.penalty()  # no graph: its gradient follows below
        return losses

    @torch.no_grad()
    def after_backward(self) -> None:
        self.prepare()
        named = {name: p for name, p in self._trainable.items() if p.grad is not None}
        gradients = [parameter.grad for parameter in named.values()]
        if self.net.precision == torch.float16 and not sum(torch._foreach_norm(gradients)).isfinite():
            return  # the loss scaler will skip this step, and the statistics would never recover from it
        self.update(list(named), list(named.values()), gradients)
        if self._held:
            pulls = zip((held[0].grad for held in self._held), self.pull()[1], strict=True)
            gradients, pulls = zip(*[pair for pair in pulls if pair[0] is not None], strict=True)
            torch._foreach_add_(gradients, pulls, alpha=2 * self.reg_importance)

    # -- from step to step ---------------------------------------------------------------------------------
    def load_previous(self, state: Mapping[str, Tensor]) -> None:
        super().load_previous(state)
        self.anchor = {name: state[name].clone() for name, _ in self.net.named_parameters() if name in state}

    def start_increment(self, loader) -> None:
        if not all(self.previous.get(name) for name in self.weighs):
            name = type(self).__name__
            warn(f"{name}: no penalty, for the step before was not trained with --method {name}")

    def param_groups(self, lr: float, weight_decay: float) -> list[dict]:
        # With Nesterov momentum 0.9 a penalty alone is stable for lr * 2 * reg_importance * max w < 1.36.
        if self.previous and lr * self.reg_importance * len(self.weighs) > 0.68:
            most = f"--reg_importance {0.6 / (lr * len(self.weighs)):.2g}"
            warn(f"{type(self).__name__} diverges at learning rate {lr:g}: give {most} or less")
        return super().param_groups(lr, weight_decay)

    @torch.no_grad()
    def end_increment(self, loader) -> None:
        self.prepare()
        self.finished = self.finish(self._trainable)

    def state_dict(self) -> dict:
        """Statistics for the next step or, while the step is unfinished, for resuming it."""
        which = "finished" if self.finished else "running"
        return {"step": self.step.index, which: getattr(self, which)}

    def load_state_dict(self, state: dict) -> None:
        if state.get("step") == self.step.index:
            # Differs from MiB: a step is resumed from raw statistics, not from those for the next step.
            self.running, self.finished = state.get("running", {}), state.get("finished", {})
        else:
            self.previous = state.get("finished", {})
        self._trainable, self._held = {}, []


def scaled(importance: Tensor) -> Tensor:
    """(A - min A) / (max A - min A + 1e-8): 0..1; constant tensors, and those of one element, become 0."""
    low, high = importance.aminmax()
    return (importance - low) / (high - low + 1e-8)


def warn(text: str) -> None:
    """Log a warning, on the first process only."""
    if is_main():
        logging.getLogger(__name__).warning(text)
