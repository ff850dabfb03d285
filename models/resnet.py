"""ResNets in the layout and with the parameter names of the published in-place-ABN weights."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from models.pretrained import fill, read_weights
from modules.abn import ABN
from modules.residual import ResidualBlock, stage

CLASSIFIER = "classifier."  # of the ImageNet files; a segmentation body has none


class ResNet(nn.Module):
    """Stem mod1 and residual stages mod2, mod3, ...: images (N, 3, H, W) to features at the output stride.

    Args:
        channels: outputs of a block's convolutions per stage; two make basic blocks, three bottlenecks.
        depths: blocks per stage.
        stem_channels, stem_kernel: of the first convolution, which has stride 2; a max-pooling follows.
        pool: whether it does.
        output_stride: 8, 16 or 32; from there on, stages dilate instead of striding.
        head_channels: width of the segmentation head that suits this body.
        norm: normalisation with activation, called as `norm(channels)`.
        block: residual block, called as `ResidualBlock` is.
        stem_activation: activation of the first norm.
    """

    def __init__(
        self,
        channels: Sequence[Sequence[int]],
        depths: Sequence[int],
        *,
        stem_channels: int = 64,
        stem_kernel: int = 7,
        pool: bool = True,
        output_stride: int = 16,
        head_channels: int = 256,
        norm: Callable[..., nn.Module] = ABN,
        block: Callable[..., nn.Module] = ResidualBlock,
        stem_activation: str = "leaky_relu",
    ):
        super().__init__()
        if output_stride not in (8, 16, 32):
            raise ValueError(f"output_stride can be 8, 16 or 32, not {output_stride}")
        self.head_channels = head_channels
        conv = nn.Conv2d(3, stem_channels, stem_kernel, stride=2, padding=stem_kernel // 2, bias=False)
        stem = OrderedDict(conv1=conv, bn1=norm(stem_channels, activation=stem_activation))
        if pool:
            stem["pool1"] = nn.MaxPool2d(3, stride=2, padding=1)
        self.mod1 = nn.Sequential(stem)
        self.stages = [f"mod{number}" for number in range(2, 2 + len(depths))]
        width, reached, dilation = stem_channels, 4 if pool else 2, 1
        for index, (name, outputs, depth) in enumerate(zip(self.stages, channels, depths, strict=True)):
            stride = 1 if index == 0 else 2
            if reached * stride > output_stride:
                dilation, stride = dilation * 2, 1
            reached *= stride
            blocks = stage(block, width, outputs, depth=depth, stride=stride, dilation=dilation, norm=norm)
            self.add_module(name, blocks)
            width = outputs[-1]
        self.out_channels = width

    def forward(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:  # (N, 3, H, W)
        """Features (N, B, h, w), and for each stage the last block's map, for distillation."""
        x, maps = self.mod1(images), {}
        for name in self.stages:
            *blocks, last = self.get_submodule(name)
            for block in blocks:
                x = block(x)
            x, maps[name] = last.with_map(x)
        return x, maps

    def load_pretrained(self, path: str, *, complete: Callable[[dict], dict] = dict) -> None:
        """Load the published ImageNet weights, with or without `module.` before the names.

        `complete` may add entries for layers that the file does not have.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it holds no weights, or those of another network.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(
                f"no pretrained weights at {path}: pretrained/README.md says where they come from, "
                "--no_pretrained starts from random weights instead"
            )
        weights = {
            name: value
            for name, value in read_weights(path, self.state_dict()).items()
            if not name.startswith(CLASSIFIER) and not name.endswith("num_batches_tracked")
        }
        fill(self, complete(weights), source=path)


BASIC = [(64 * 2**k,) * 2 for k in range(4)]
BOTTLENECK = [(64 * 2**k, 64 * 2**k, 256 * 2**k) for k in range(4)]

resnet18 = partial(ResNet, BASIC, (2, 2, 2, 2))
resnet50 = partial(ResNet, BOTTLENECK, (3, 4, 6, 3))
resnet101 = partial(ResNet, BOTTLENECK, (3, 4, 23, 3))


def tiny(*, output_stride: int = 8, **options) -> ResNet:
    """A small ResNet-18 (0.27 M parameters) for images of about 64 pixels and the embedded demonstration."""
    widths = (24, 48, 72)
    channels = [(width, width) for width in widths]
    options = {"head_channels": 48, "stem_channels": widths[0], "stem_kernel": 3, **options}
    return ResNet(channels, (2, 2, 2), pool=output_stride > 8, output_stride=output_stride, **options)


RESNETS = (resnet18, resnet50, resnet101, tiny)  # builders that take a `block`
