"""Synchronised batch norms for timm models."""

from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from modules.abn import ABN


class SyncedNorm(ABN):
    """A batch norm of a timm model, with its activation, whose statistics are those of all processes."""

    def __init__(self, norm: nn.BatchNorm2d):
        options = {"eps": norm.eps, "momentum": norm.momentum}
        super().__init__(norm.num_features, activation="identity", signed=True, **options)
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        is_activated = isinstance(norm, BatchNormAct2d)
        self.drop = norm.drop if is_activated else nn.Identity()
        self.act = norm.act if is_activated else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W)
        return self.act(self.drop(super().forward(x)))


def synchronise(model: nn.Module) -> None:
    """Replace every two-dimensional batch norm by a `SyncedNorm` with the same tensors and name."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) in (nn.BatchNorm2d, BatchNormAct2d):
                setattr(parent, name, SyncedNorm(child))
