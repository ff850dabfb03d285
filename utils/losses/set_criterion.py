"""The loss of a network that classifies masks: matching, then class, mask and dice loss after every layer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from utils.distributed import all_reduce_sum, world_size
from utils.losses import mask_classification as terms
from utils.masks.matching import Pairs, assign, costs_of, sigmoid_costs, softmax_costs
from utils.masks.points import Points
from utils.masks.targets import Masks

TERMS = ("class", "mask", "dice")


@dataclass(frozen=True)
class SetCriterion:
    """What one kind of mask classification minimises (Mask2Former, section 5).

    Args:
        softmask: whether the masks of a network compete (softmax over queries) or are independent (sigmoids).
        class_loss: of one layer, `(logits (N, Q, C + 1), classes (N, Q)) -> scalar`.
        weights: of class, mask and dice loss; also of these costs where masks are independent.
        points: where masks are compared.
    """

    softmask: bool = False
    class_loss: Callable[[Tensor, Tensor], Tensor] = terms.class_entropy
    weights: tuple[float, float, float] = (2.0, 5.0, 5.0)
    points: Points = field(default_factory=Points)

    def __call__(self, logits: Tensor, maps: Tensor, targets: list[Masks]) -> Tensor:
        """Losses of each layer (L, 3), in the order of TERMS, not weighed.

        Args:
            logits: of classes (L, N, Q, C + 1), no-object last. maps: mask logits (L, N, Q, h, w).
            targets: the masks of each image.
        """
        pairs = self.match(logits, maps, targets)
        return self.of_pairs(logits, maps, targets, pairs)

    def match(self, logits: Tensor, maps: Tensor, targets: list[Masks]) -> Pairs:
        """Queries and masks, paired in every layer."""
        with torch.no_grad():
            read = maps.softmax(2) if self.softmask else maps
            points = self.points.for_matching(*logits.shape[:2], maps)
            how = softmax_costs if self.softmask else partial(sigmoid_costs, weights=self.weights)
            return assign(costs_of(logits, read, targets, points, costs=how))

    def of_pairs(
        self, logits: Tensor, maps: Tensor, targets: list[Masks], pairs: Pairs,
        class_loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> Tensor:  # fmt: skip
        """The same for pairs that are known; `class_loss` takes the place of the criterion's own."""
        known = torch.cat([one.classes for one in targets])
        classes = pairs.classes(known, logits.shape[:-1], nothing=logits.shape[-1] - 1)
        truth = torch.cat([one.masks for one in targets])
        rows = []
        for layer in range(len(logits)):
            answer = (class_loss or self.class_loss)(logits[layer], classes[layer])
            rows.append(torch.stack([answer, *self.mask_losses(layer, maps[layer], truth, pairs)]))
        return torch.stack(rows)

    def weighed(self, losses: Tensor) -> Tensor:  # (L, 3)
        """Losses times their weights."""
        return losses * losses.new_tensor(self.weights)

    def mask_losses(self, layer: int, maps: Tensor, truth: Tensor, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """Mask and dice loss of one layer (N, Q, h, w), over the number of masks in the batch."""
        images, queries, targets = pairs.at(layer)
        own = (maps.log_softmax(1) if self.softmask else maps)[images, queries]
        compare, certainty = terms.sigmoid_mask_losses, torch.abs
        if self.softmask:
            compare, certainty = terms.softmax_mask_losses, terms.certainty_of_share
        points = self.points.uncertain(layer, own.detach().exp() if self.softmask else own, certainty)
        masks = all_reduce_sum(truth.new_tensor(float(len(truth)), dtype=own.dtype)) / world_size()
        return tuple(term / masks.clamp(min=1) for term in compare(own, truth[targets], points))
