"""PI: path integral, or synaptic intelligence (Zenke et al., ICML 2017), as in MiB's comparison."""

import torch
from torch import Tensor

from methods.importance import ImportancePenalty, Named


class PI(ImportancePenalty):
    """A penalty holds each weight to its old value, as strongly as its updates have lowered the loss.

    Gradient times update is summed up along the path of training, at no cost beside it. That of all
    steps adds up.

    Equation: L = CE(z, y) + reg_importance sum_i score_i (theta_i - theta_old_i)^2

    path += g_k (theta_{k-1} - theta_k), with the gradient after the update; at the end of the step
    score = max(0, path / ((theta - theta_start)^2 + 1e-20)) + score of the steps before.
    """

    weighs = ("score",)

    def begin(self, parameters: Named) -> None:
        # New parameters start at their initial values, as all do at step 0.
        start = {name: self.anchor.get(name, p).to(p, copy=True).detach() for name, p in parameters.items()}
        self.running = {"path": {name: torch.zeros_like(p) for name, p in parameters.items()}, "start": start}

    def update(self, names: list[str], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        last = self.running.setdefault("last", {})
        if not last:  # before the first update
            last.update({name: p.detach().clone() for name, p in zip(names, parameters, strict=True)})
            return
        last = [last[name] for name in names]
        path = [self.running["path"][name] for name in names]
        torch._foreach_addcmul_(path, gradients, torch._foreach_sub(last, parameters))
        torch._foreach_copy_(last, parameters)

    def finish(self, parameters: Named) -> dict[str, Named]:
        stored, score = self.previous.get("score", {}), {}
        for name, p in parameters.items():
            distance = (p - self.running["start"][name]).square()
            score[name] = (self.running["path"][name] / (distance + 1e-20)).clamp(min=0).nan_to_num(nan=0.0)
            if name in stored:
                score[name] += stored[name].to(p)
        return {"score": score}
