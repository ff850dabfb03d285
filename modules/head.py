"""What a head is: what stands between body and classifiers, and all that follows from the choice of it."""

from collections.abc import Callable, Mapping
from typing import ClassVar

from torch import Tensor, nn

from modules.norms import NORMS
from modules.output import Output
from utils.losses.pixel_means import pixel_means
from utils.losses.pixelwise import cross_entropy


class Head(nn.Module):
    """A head that answers for every cell; others override what differs. `modules.heads.HEADS` has the names.

    Attributes:
        out_channels: D, what the classifiers read.
        answers: "pixels" if each cell of the features has logits of its own, so that a formula on
            `logits_small` and `features` means what its paper says; "images" if there is one cell, whose
            label is the image's; else a word for what the head answers for. Methods say in
            `heads_supported` which of these they can use.
        one_map: whether `encode` returns the features alone, which `--cache features` can keep.
        defaults: values of run flags that the head wants where nobody chooses others.
        output: what networks with this head answer with. Its `logits` are what decisions are made by.
    """

    out_channels: int
    answers: ClassVar[str] = "pixels"
    one_map: ClassVar[bool] = True
    defaults: ClassVar[Mapping[str, object]] = {}
    output: ClassVar[type[Output]] = Output

    @classmethod
    def fitting(cls, body: nn.Module, parts) -> "Head":
        """A new head for `body`, as a `segmentation_module.Parts` describes networks."""
        return cls(body.out_channels, body.head_channels, norm=NORMS[parts.norm])

    def encode(self, body: Tensor, maps: Mapping[str, Tensor]):  # (N, B, h, w)
        """What `features` and `respond` go on from: by default the features (N, D, h, w).

        Args:
            body: the last map. maps: those of the stages by name, sums before their activation.
        """
        return self(body)

    def features(self, encoded) -> Tensor:
        """`Output.features` (N, D, h, w), from what `encode` returned."""
        return encoded

    def respond(self, encoded, classify: Callable[[Tensor], Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """`Output.logits_small` (N, C, h, w) and `Output.extras`, from what `encode` returned.

        Args:
            classify: the classifiers of all steps: (N, D, ., .) -> (N, C, ., .) in learning order.
        """
        return classify(encoded), {}

    def losses(self, out: Output, labels: Tensor) -> dict[str, Tensor]:  # (N, H, W)
        """Named scalars that plain training of this head minimises: those of fine-tuning."""
        (ce,) = pixel_means(cross_entropy, [out.logits_small], [labels])
        return {"ce": ce}

    def param_groups(self, net: nn.Module, lr: float, weight_decay: float) -> list[dict]:
        """Groups for the optimizer of a `SegmentationModel` with this head, without what is frozen."""
        return [{"params": net.trainable(), "lr": lr, "weight_decay": weight_decay}]
