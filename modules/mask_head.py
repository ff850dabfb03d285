"""The mask head: queries that each answer with a class and a mask (Mask2Former, CVPR 2022)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.head import Head
from modules.mask_decoder import MaskDecoder
from modules.output import Output
from modules.pixel_decoders import PIXEL_DECODERS
from utils.losses.pixelwise import at_least_float32
from utils.losses.set_criterion import TERMS, SetCriterion
from utils.masks.full_size import exclusive, score, semantic_rule, shares
from utils.masks.points import Points
from utils.masks.targets import Masks, masks_of_labels

MAPS, FINEST = 4, 4  # of the body at most so many maps are read, none finer than this stride
PROBE = 64  # side (px) of the image that tells which maps a body has


@dataclass
class MaskOutput(Output):
    """What queries say; `features` is the embedding of every cell (N, M, h, w), `logits_small` its scores.

    Attributes:
        first: class of the first column of the class logits.
        softmask: whether masks compete. rule: how queries decide, see `utils.masks.full_size`.
        probabilities: of classes and no-object, (..., C + 1) -> (..., C + 1), that queries are ranked by.
    """

    first: int = 0
    softmask: bool = False
    rule: Callable = field(default=semantic_rule)
    probabilities: Callable[[Tensor], Tensor] = field(default=exclusive)

    @property
    def class_logits(self) -> Tensor:
        """Of every query before the first layer and after each (L + 1, N, Q, C + 1), no-object last."""
        return at_least_float32(self.extras["classes"])

    @property
    def masks(self) -> Tensor:
        """The mask logits of the same queries (L + 1, N, Q, h, w)."""
        return at_least_float32(self.extras["masks"])

    @property
    def states(self) -> Tensor:
        """What the same queries are (L + 1, N, Q, D), before the norm that predictions are made from."""
        return at_least_float32(self.extras["states"])

    @property
    def read(self) -> Tensor:
        """Of every cell, what the classifiers read of the query that it goes to (N, D, h, w)."""
        scores = self.probabilities(self.class_logits[-1])[..., :-1].amax(-1)[..., None, None]  # (N, Q, 1, 1)
        winner = (scores * shares(self.masks[-1], softmask=self.softmask)).argmax(1)  # (N, h, w)
        states = at_least_float32(self.extras["read"])  # (N, Q, D)
        rows = winner.flatten(1)[..., None].expand(-1, -1, states.shape[-1])
        return states.gather(1, rows).mT.unflatten(-1, winner.shape[1:])

    @property
    def logits(self) -> Tensor:
        """Logarithms of the scores at image resolution (N, C, H, W), without a graph."""
        return self.rule(self.class_logits[-1], self.masks[-1], self.size, first=self.first).log_()


@dataclass
class Encoded:
    """What the decoders make of images: `pixels` (N, M, h, w), `states` and `masks` of a `MaskOutput`."""

    pixels: Tensor
    states: Tensor
    masks: Tensor


class MaskHead(Head):
    """Pixel decoder, transformer decoder and the classifier of no-object; those of classes come with steps.

    Args:
        in_channels: of the body's maps that it reads, finest first.
        channels: D of queries, levels and embedding.
        queries, layers: of the transformer decoder. points: at which masks are compared.
        pixel_decoder: key of PIXEL_DECODERS.
        unlabelled_background: whether class 0 is what nobody labelled (ADE20K) and has no mask, as published.
        backbone_lr: learning rate of the body over the head's.

    Attributes:
        criterion: what plain training minimises, and whether masks compete. rule: how queries decide, and by
            which `probabilities`. Methods that differ in these set them when they build a network.
        first: class of the first column of the class logits.
    """

    answers = "masks"
    one_map = False
    defaults = {  # Mask2Former's; the rate of later steps is CoMFormer's and BalConpas's
        "optimizer": "adamw", "clip_grad": 0.01, "weight_decay": 0.05, "lr": [1e-4, 5e-5],
        "output_stride": 32,
    }  # fmt: skip

    def __init__(
        self,
        in_channels: list[int],
        channels: int = 256,
        *,
        queries: int = 100,
        layers: int = 9,
        points: int = 12544,
        pixel_decoder: str = "fpn",
        unlabelled_background: bool = False,
        backbone_lr: float = 0.1,
    ):
        super().__init__()
        self.out_channels, self.num_maps = channels, len(in_channels)
        # As published, or for small networks such as that of the embedded task.
        groups, heads, hidden = (32, 8, 8 * channels) if channels >= 128 else (8, 4, 2 * channels)
        self.pixel_decoder = PIXEL_DECODERS[pixel_decoder](in_channels, channels, channels, groups=groups)
        sizes = {"queries": queries, "layers": layers, "heads": heads, "hidden": hidden}
        self.decoder = MaskDecoder(channels, channels, levels=self.pixel_decoder.num_levels, **sizes)
        self.void = nn.Conv2d(channels, 1, 1)
        self.first, self.backbone_lr = int(unlabelled_background), backbone_lr
        self.criterion = SetCriterion(points=Points(points))
        self.rule, self.probabilities = semantic_rule, exclusive

    @classmethod
    def fitting(cls, body: nn.Module, parts) -> "MaskHead":
        return cls(channels_of_maps(body), body.head_channels, **parts.head_options)

    def encode(self, body: Tensor, maps: Mapping[str, Tensor]) -> Encoded:  # (N, B, h, w)
        pixels, levels = self.pixel_decoder(read_maps(body, maps)[-self.num_maps :])
        return Encoded(pixels, *self.decoder(levels, pixels, softmask=self.criterion.softmask))

    def features(self, encoded: Encoded) -> Tensor:
        return encoded.pixels

    def respond(self, encoded: Encoded, classify: Callable[[Tensor], Tensor]):
        classes = self.classes(encoded.states, classify)
        extras = {"classes": classes, "masks": encoded.masks, "states": encoded.states}
        extras["read"] = self.decoder.decoder_norm(encoded.states[-1])
        with torch.no_grad():
            logits, masks = (at_least_float32(x[-1]) for x in (classes, encoded.masks))
            small = F.pad(score(logits, masks.sigmoid()), (0, 0, 0, 0, self.first, 0))
        return small, extras

    def classes(self, states: Tensor, classify: Callable[[Tensor], Tensor]) -> Tensor:
        """Class logits (L + 1, N, Q, C + 1) of queries (L + 1, N, Q, D): every query is a cell of a map."""
        cells = self.decoder.decoder_norm(states).movedim(-1, 1)  # (L + 1, D, N, Q)
        return torch.cat([classify(cells)[:, self.first :], self.void(cells)], dim=1).movedim(1, -1)

    def output(self, *parts) -> MaskOutput:
        """What a network with this head answers with."""
        how = {"softmask": self.criterion.softmask, "rule": self.rule, "probabilities": self.probabilities}
        return MaskOutput(*parts, first=self.first, **how)

    def losses(self, out: MaskOutput, labels: Tensor) -> dict[str, Tensor]:  # (N, H, W)
        targets = self.targets(labels, self.first, self.first + out.class_logits.shape[-1] - 2)
        return self.named(self.criterion(out.class_logits, out.masks, targets))

    def targets(self, labels: Tensor, first: int, last: int) -> list[Masks]:  # (N, H, W)
        """The masks of the classes `first` to `last` that each image shows."""
        return masks_of_labels(labels, first, last, column=self.first)

    def named(self, losses: Tensor) -> dict[str, Tensor]:  # (L + 1, 3)
        """Weighted sums over the layers by name."""
        return dict(zip(TERMS, self.criterion.weighed(losses).sum(0), strict=True))

    def param_groups(self, net: nn.Module, lr: float, weight_decay: float) -> list[dict]:
        body = set(net.body.parameters())
        groups: dict[tuple[float, float], list] = {}
        for module in net.modules():
            for name, parameter in module.named_parameters(recurse=False):
                if parameter.requires_grad:
                    rate = self.backbone_lr if parameter in body else 1.0
                    decay = 0.0 if decays_not(module, name) else weight_decay
                    groups.setdefault((rate * lr, decay), []).append(parameter)
        return [{"params": some, "lr": rate, "weight_decay": wd} for (rate, wd), some in groups.items()]


def decays_not(module: nn.Module, name: str) -> bool:
    """Whether a parameter is of a norm, an embedding or a position table, which do not decay (published)."""
    norm = isinstance(module, nn.LayerNorm | nn.GroupNorm) or hasattr(module, "running_mean")
    return norm or isinstance(module, nn.Embedding) or "position" in name or "pos_embed" in name


def read_maps(body: Tensor, maps: Mapping[str, Tensor]) -> list[Tensor]:
    """Stage maps of a body, finest first, and its output, which takes the place of a map of the same size."""
    stages = list(maps.values())
    return [*(stages[:-1] if stages and stages[-1].shape == body.shape else stages), body][-MAPS:]


@torch.no_grad()
def channels_of_maps(body: nn.Module) -> list[int]:
    """Channels of the maps that the head reads, finest first: those of `read_maps` from stride 4 on."""
    training = body.training
    like = next(body.parameters())
    found = read_maps(*body.eval()(like.new_zeros(1, 3, PROBE, PROBE)))
    body.train(training)
    return [x.shape[1] for x in found if x.shape[-1] * FINEST <= PROBE]
