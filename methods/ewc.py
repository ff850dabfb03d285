"""EWC: elastic weight consolidation (Kirkpatrick et al., PNAS 2017), online as in MiB's comparison."""

from typing import Annotated

import torch
from torch import Tensor

from methods.importance import ImportancePenalty, Named


class EWC(ImportancePenalty):
    """A penalty holds each weight to its old value, as strongly as the Fisher matrix says.

    Its diagonal, the squared gradient of the loss, is large where a small move would cost much. No old
    network answers: only weights are remembered.

    Equation: L = CE(z, y) + reg_importance sum_i F_i (theta_i - theta_old_i)^2

    F <- alpha g^2 + (1 - alpha) F after every batch, continued from step to step; new parameters start at 1.
    With the published alpha, F is about the squared mean gradient of the last two batches.
    """

    reg_alpha: Annotated[float, "weight of the newest squared gradient in F (MiB --reg_alpha)"] = 0.9

    weighs = ("fisher",)

    def begin(self, parameters: Named) -> None:
        stored = self.previous.get("fisher", {})
        self.running["fisher"] = {
            name: stored[name].to(p, copy=True) if name in stored else torch.ones_like(p)
            for name, p in parameters.items()
        }

    def update(self, names: list[str], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        fisher = [self.running["fisher"][name] for name in names]
        torch._foreach_mul_(fisher, 1 - self.reg_alpha)
        torch._foreach_addcmul_(fisher, gradients, gradients, self.reg_alpha)
