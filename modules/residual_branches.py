"""BARM's classifiers: a branch per step, and corrections of the background's logit (ECCV 2024)."""

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Branch(nn.Sequential):
    """A 3x3 convolution, a norm and its activation: (N, D, h, w) -> (N, D, h, w)."""

    def __init__(self, channels: int, norm: Callable[..., nn.Module]):
        conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(conv.weight)
        super().__init__(OrderedDict(conv=conv, norm=norm(channels)))

    @torch.no_grad()
    def copy_weights(self, other: "Branch") -> None:
        """Take the convolution and the affine part of the norm; running statistics stay as they are."""
        for own, their in zip(self.parameters(), other.parameters(), strict=True):
            own.copy_(their)


def unified(raw: list[Tensor], *, learning: bool) -> Tensor:
    """Logits of all classes (N, C, h, w) from those of the branches, background first.

    `raw` holds the first branch's (N, n_0, h, w), and of every later one its correction of the background and
    its classes (N, 1 + n_t, h, w). A correction only lowers the background, by min(b_t, 0). While the newest
    branch is `learning`, its own is not limited, and background reaches nothing but that.
    """
    background = raw[0][:, :1]
    corrections = [rows[:, :1] for rows in raw[1:]]
    if learning and corrections:
        *limited, newest = corrections
        background = sum((b.clamp(max=0) for b in limited), background).detach() + newest
    else:
        background = sum((b.clamp(max=0) for b in corrections), background)
    return torch.cat([background, *(rows[:, 1:] for rows in raw)], dim=1)
