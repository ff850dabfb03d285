"""RW: Riemannian walk (Chaudhry et al., ECCV 2018), as in MiB's comparison."""

from typing import Annotated

import torch
from torch import Tensor

from methods.ewc import EWC
from methods.importance import Named


class RW(EWC):
    """A penalty holds each weight to its old value, by EWC's importance and by that of its path.

    The path counts where updates lowered the loss by much per distance moved. The two are added.

    Equation: L = CE(z, y) + reg_importance sum_i (F_i + score_i) (theta_i - theta_old_i)^2

    Every `reg_iterations` batches score += -g d / (F d^2 / 2 + 1e-8), with d the change since the last time;
    at the end of the step its positive part, averaged with that of the previous step.
    """

    reg_importance: Annotated[float, "weight of the penalty (preset RW of MiB and PLOP)"] = 100.0
    reg_iterations: Annotated[int, "batches between two looks at the path (MiB --reg_iterations)"] = 10

    weighs = ("fisher", "score")

    def begin(self, parameters: Named) -> None:
        super().begin(parameters)
        self.running["score"] = {name: torch.zeros_like(p) for name, p in parameters.items()}
        self.running["count"] = {"batches": torch.zeros((), dtype=torch.int64)}
        self.running["last"] = {}

    def update(self, names: list[str], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        if self.running["count"]["batches"] % self.reg_iterations == 0:
            if self.running["last"]:
                self.look_back(names, parameters, gradients)
            self.running["last"] = {n: p.detach().clone() for n, p in zip(names, parameters, strict=True)}
        self.running["count"]["batches"] += 1
        super().update(names, parameters, gradients)

    def look_back(self, names: list[str], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        """Add to the score the gain of the path since the last update of the score."""
        score, fisher, last = ([self.running[key][n] for n in names] for key in ("score", "fisher", "last"))
        moved = torch._foreach_sub(parameters, last)
        gain = torch._foreach_mul(torch._foreach_mul(gradients, moved), -1)
        cost = torch._foreach_mul(torch._foreach_mul(moved, moved), fisher)
        torch._foreach_mul_(cost, 0.5)
        torch._foreach_add_(cost, 1e-8)
        torch._foreach_addcdiv_(score, gain, cost)

    def finish(self, parameters: Named) -> dict[str, Named]:
        stored, score = self.previous.get("score", {}), {}
        for name, raw in self.running["score"].items():
            score[name] = raw.clamp(min=0)
            if name in stored:
                score[name] = (score[name] + stored[name].to(raw)) / 2
        return {"fisher": self.running["fisher"], "score": score}
