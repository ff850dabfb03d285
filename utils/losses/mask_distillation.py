"""What the queries of the step before know, kept: distillation between queries of one number."""

import torch
from torch import Tensor

from utils.distributed import all_reduce_sum, world_size
from utils.losses.mask_classification import weighted_mean


def adaptive_distillation(
    logits: Tensor, old_logits: Tensor, *, temperature: float = 1.0, gamma: float = 2.0,
    new_classes: bool = True,
) -> Tensor:  # fmt: skip
    """Divergence from the teacher's classes, weighed by (1 - its no-object)^gamma (CoMFormer).

    New classes count as no-object, or are left out of the softmax if not `new_classes`. 0 where the teacher
    sees nothing at all.

    Args:
        logits: of the student, no-object last (N, Q, C + 1). old_logits: of the teacher (N, Q, C_old + 1),
            which are multiplied by `temperature` first.
    """
    num_old = old_logits.shape[-1] - 1
    old = (temperature * old_logits).softmax(-1)
    if not new_classes:
        logits = torch.cat([logits[..., :num_old], logits[..., -1:]], dim=-1)
    logs = logits.log_softmax(-1)
    logs = torch.cat([logs[..., :num_old], logs[..., num_old:].logsumexp(-1, keepdim=True)], dim=-1)
    divergence = (torch.xlogy(old, old) - old * logs).sum(-1)
    return weighted_mean(divergence, (1 - old[..., -1]) ** gamma)


def backtrace_distillation(states: Tensor, old_states: Tensor, images: Tensor, queries: Tensor) -> Tensor:
    """Mean squared distance of chosen queries from the teacher's, for each layer (L,) (BalConpas).

    0 where none is chosen.

    Args:
        states, old_states: what queries are before the first layer and after each (L, N, Q, D).
        images, queries: the chosen ones (K,).
    """
    distance = (states - old_states)[:, images, queries].square().mean(-1)  # (L, K)
    number = all_reduce_sum(distance.new_tensor(float(len(images))))
    return distance.sum(1) * world_size() / number.clamp(min=1)
