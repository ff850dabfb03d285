"""A head followed by one more convolution."""

from collections import OrderedDict
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from modules.abn import ABN
from modules.head import Head


class RefinedHead(Head, nn.Sequential):
    """Dropout and a 3x3 convolution with norm and activation behind `head`: (N, B, h, w) -> (N, D, h, w).

    The additional layer of DKD (NeurIPS 2022) and EIR ("last_conv").

    Args:
        head: with attribute `out_channels` = D.
        dropout: probability, 0 for none.
        norm: called as `norm(channels)`.
    """

    def __init__(self, head: Head, *, dropout: float = 0.0, norm: Callable[..., nn.Module] = ABN):
        channels = head.out_channels
        conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(conv.weight)
        layers = {"aspp": head, "dropout": nn.Dropout(dropout), "last_conv": conv, "last_bn": norm(channels)}
        super().__init__(OrderedDict(layers))
        self.out_channels = channels

    def encode(self, body: Tensor, maps: Mapping[str, Tensor]) -> Tensor:  # (N, B, h, w) -> (N, D, h, w)
        return self.last_bn(self.last_conv(self.dropout(self.aspp.encode(body, maps))))
