"""Logits of queries that come with their steps, made comparable (ECLIPSE, "logit manipulation")."""

from collections.abc import Sequence

import torch
from torch import Tensor

OFF = -10.0  # logit of the classes of other steps
LIMITS = (0.001, 0.999)  # of the probabilities whose logits are taken


def manipulated(
    logits: Tensor, *, classes: Sequence[int], queries: Sequence[int], deltas: Sequence[float]
) -> Tensor:
    """Logits (N, Q, C + 1) in which the queries of a step answer for its own classes alone.

    Their no-object logit is that of delta times the sigmoids of other steps' classes (delta > 0), of -delta
    times its own sigmoid (delta < 0), or as it is.

    Args:
        logits: no-object last; queries of step 0 first. classes, queries, deltas: number of each step, and
            its delta.
    """
    rows, first = [], 0
    for group, own, delta in zip(logits.split(list(queries), dim=1), classes, deltas, strict=True):
        known, nothing = group[..., :-1], group[..., -1]
        others = torch.ones_like(known, dtype=torch.bool)
        others[..., first : first + own] = False
        if delta > 0:
            elsewhere = known.sigmoid().masked_fill(~others, 0).sum(-1).clamp(max=1)
            nothing = (delta * elsewhere).clamp(*LIMITS).logit()
        elif delta < 0:
            nothing = (-delta * nothing.sigmoid()).clamp(*LIMITS).logit()
        rows.append(torch.cat([known.masked_fill(others, OFF), nothing[..., None]], dim=-1))
        first += own
    return torch.cat(rows, dim=1)
