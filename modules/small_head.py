"""A classifier with a convolution of its own before it."""

from collections.abc import Callable

from torch import Tensor, nn

from modules.abn import ABN


class SmallHead(nn.Sequential):
    """3x3 convolution, norm and activation, 1x1 classifier: (N, D, h, w) -> (N, rows, h, w) (SSUL).

    Args:
        channels: D. rows: classes. norm: called as `norm(channels)`.

    Attributes:
        weight, bias, out_channels: those of the 1x1 classifier.
    """

    def __init__(self, channels: int, rows: int, *, norm: Callable[..., nn.Module] = ABN):
        conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        super().__init__(conv, norm(channels), nn.Conv2d(channels, rows, 1))
        self.out_channels = rows

    @property
    def weight(self) -> Tensor:
        """Of the classifier, (rows, D, 1, 1)."""
        return self[2].weight

    @property
    def bias(self) -> Tensor:
        """Of the classifier, (rows,)."""
        return self[2].bias

    def start_as(self, other: "SmallHead") -> None:
        """Take over convolution and norm of `other`, and its one row for each row here."""
        own = self.state_dict()
        self.load_state_dict({key: value.expand_as(own[key]) for key, value in other.state_dict().items()})
