"""The network: body + head + one 1x1 classifier per step, and how its parts are built."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from models import build_backbone
from modules.folding import folded_copy
from modules.head import Head
from modules.heads import HEADS, PUBLISHED
from modules.output import Output
from modules.precisions import PRECISIONS


class SegmentationModel(nn.Module):
    """Body, head and the list of classifiers, one 1x1 convolution per step.

    Parameter names are those of the published checkpoints: `body.*`, `head.*`, `cls.<step>.weight`.

    Args:
        body: images (N, 3, H, W) -> (features (N, B, h, w), named stage maps).
        head: what makes features (N, D, h, w) of that, with attribute `out_channels` = D; see `Head`.
        classifiers: rows of each step's classifier.
        precision: "fp32", "bf16" or "fp16", of the autocast around the forward pass; losses are outside it.
    """

    def __init__(self, body: nn.Module, head: Head, classifiers: list[int], *, precision: str = "fp32"):
        super().__init__()
        self.body, self.head = body, head
        self.cls = nn.ModuleList(nn.Conv2d(head.out_channels, rows, 1) for rows in classifiers)
        self.precision = PRECISIONS[precision]
        self._frozen: list[nn.Module] = []
        self._folding, self._folded = False, []  # copies of body and head, no part of the state
        # Size (H, W) of the images, where `forward` is given what `encode` made of them instead.
        self.given_features_of: tuple[int, int] | None = None

    def forward(self, images: Tensor) -> Output:  # (N, 3, H, W), normalised
        """Forward pass; the `Output` holds every intermediate that a loss may read."""
        with self.in_its_precision(images.device.type):
            body, attentions, encoded = self.encode(images)
            logits_small, extras = self.respond(encoded)  # (N, C, h, w)
        size, features = tuple(images.shape[-2:]), self.head.features(encoded)  # (N, D, h, w)
        size = self.given_features_of or size
        return self.head.output(logits_small, features, body, attentions, size, extras)

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:  # (N, 3, H, W) -> (N, D, h, w)
        """What the head makes of the images alone, in the precision of the network."""
        with self.in_its_precision(images.device.type):
            return self.encode(images)[2]

    def in_its_precision(self, device: str) -> AbstractContextManager:
        """Context of the autocast; none for fp32, for that would be in every exported graph."""
        return nullcontext() if self.precision == torch.float32 else torch.autocast(device, self.precision)

    def encode(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:  # (N, 3, H, W)
        """Output of the body (N, B, h', w'), its stage maps, and what the head makes of them (N, D, h, w)."""
        if self.given_features_of:  # they are what `images` is, and all that there is
            return images, {}, images
        if not self._folded:
            body, attentions = self.body(images)
            return body, attentions, self.head.encode(body, attentions)
        encoder, head = self._folded
        with torch.no_grad():
            body, attentions = encoder(images)
            return body, attentions, head.encode(body, attentions)

    def respond(self, encoded) -> tuple[Tensor, dict[str, Tensor]]:  # of a head per pixel: (N, D, h, w)
        """The `logits_small` and `extras` of an `Output`; the common head has none of the latter."""
        return self.head.respond(encoded, self.classify)

    def classify(self, features: Tensor) -> Tensor:  # (N, D, h, w)
        """Logits of all classes in learning order (N, C, h, w)."""
        return torch.cat([classifier(features) for classifier in self.cls], dim=1)

    def freeze(self, *modules: nn.Module) -> None:
        """Fix `modules`: no gradient, and eval mode that survives `train()`.

        Optimizers built afterwards leave them out, so neither gradient nor weight decay changes them, and no
        graph is recorded through a frozen body and head.
        """
        for module in modules:
            module.requires_grad_(False)
            module.eval()
            self._frozen.append(module)

    def fold_frozen(self) -> None:
        """In training mode, run the frozen body and head as copies with folded norms.

        Each call of `train()` makes new copies, so weights may be loaded before it. Weights and state dict do
        not change; results are equal up to rounding.
        """
        assert {self.body, self.head} <= set(self._frozen), "freeze body and head first"
        self._folding = True

    def train(self, mode: bool = True) -> "SegmentationModel":
        """Set training mode in all modules that are not frozen."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        parts = (self.body, self.head) if mode and self._folding else ()
        self._folded = [folded_copy(part) for part in parts]
        return self

    def trainable(self) -> list[nn.Parameter]:
        """Parameters that an optimizer may move."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def num_parameters(self, *, classes: int) -> int:
        """Parameters of body, head and a classifier of `classes` rows: what plain fine-tuning trains."""
        shared = sum(parameter.numel() for part in (self.body, self.head) for parameter in part.parameters())
        return shared + classes * (self.head.out_channels + 1)

    def load_previous(self, state: Mapping[str, Tensor], *, new: int) -> None:
        """Load the weights of the previous step; only the classifiers from number `new` on may be missing.

        Raises:
            ValueError: if anything else is missing, left over, or of another shape.
        """
        own = self.state_dict()
        fresh = {key for key in own if key.startswith("cls.") and int(key.split(".")[1]) >= new}
        missing = sorted(own.keys() - state.keys() - fresh)
        unexpected = sorted(state.keys() - own.keys())
        shapes = sorted(key for key in own.keys() & state.keys() if own[key].shape != state[key].shape)
        for what, keys in {
            "lacks": missing,
            "has no place for": unexpected,
            "differs in shape in": shapes,
        }.items():
            if keys:
                raise ValueError(
                    f"the previous step's network {what} {', '.join(keys[:3])} ({len(keys)} in all)"
                )
        self.load_state_dict(state, strict=False)


@dataclass(frozen=True)
class Parts:
    """The configuration of a network; methods build theirs from it.

    Args:
        backbone: name in `models.BACKBONES`, or `timm:<name>`.
        output_stride: stride of the body's last map, 8, 16 or 32.
        pooling: window of the head's image pooling in evaluation, 0 for the whole map.
        precision: see `SegmentationModel`.
        norm: key of `modules.norms.NORMS`, for the head and for ResNets.
        head_name: key of `modules.heads.HEADS`. head_options: further arguments of heads that take any.
        pretrained: path of the backbone's weights, "" for random ones. Only read where training starts, at
        step 0.
        options: further arguments of the backbone's builder.
    """

    backbone: str = "resnet101"
    output_stride: int = 16
    pooling: int = 32
    precision: str = "fp32"
    norm: str = "abn"
    head_name: str = PUBLISHED
    head_options: Mapping[str, object] = field(default_factory=dict)
    pretrained: str = ""
    options: Mapping[str, object] = field(default_factory=dict)

    def body(self) -> nn.Module:
        """A backbone with random weights, or with the pretrained ones."""
        options = {"norm": self.norm, "output_stride": self.output_stride} | dict(self.options)
        body = build_backbone(self.backbone, **options)
        if self.pretrained:
            body.load_pretrained(self.pretrained)
        return body

    def head(self, body: nn.Module) -> Head:
        """The head of that name that fits `body`."""
        return HEADS[self.head_name].fitting(body, self)


def make_model(parts: Parts, classifiers: list[int]) -> SegmentationModel:
    """A network with `classifiers` rows per step, as `parts` describes it."""
    body = parts.body()
    return SegmentationModel(body, parts.head(body), classifiers, precision=parts.precision)
