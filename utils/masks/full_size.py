"""What queries say of every pixel, in bands of rows: the masks of all queries never exist at full size."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from utils.labels import BACKGROUND
from utils.losses.upsampling import bands, exact_products, portion, upsampling_matrix


def shares(masks: Tensor, *, softmask: bool) -> Tensor:  # (N, Q, h, w)
    """Mask logits as shares in [0, 1]: of queries that compete for a pixel, or of each by itself."""
    return masks.softmax(1) if softmask else masks.sigmoid()


def exclusive(logits: Tensor) -> Tensor:  # (..., C + 1)
    """Probabilities of classes of which a query has one, or no-object, which stands last."""
    return logits.softmax(-1)


def share_bands(masks: Tensor, size: tuple[int, int], *, softmask: bool) -> Iterator[tuple[slice, Tensor]]:
    """Rows of the image, and the shares (N, Q, r, W) of masks (N, Q, h, w), up-sampled to `size`, in them.

    A graph that is exported for all sizes cannot know how many bands there are: it has one.
    """
    if torch.compiler.is_exporting():
        whole = F.interpolate(masks, size=size, mode="bilinear", align_corners=False)
        yield slice(None), shares(whole, softmask=softmask)
        return
    (_, queries, h, w), (height, width) = masks.shape, size
    _, rows = portion(2 * masks.shape[0] * queries, size, masks.device)
    with exact_products():
        wide = masks @ upsampling_matrix(w, width, masks).T  # (N, Q, h, W)
        down = upsampling_matrix(h, height, masks)
    for own, read in bands(h, height, rows):
        with exact_products():
            band = down[own, read] @ wide[:, :, read]
        yield own, shares(band, softmask=softmask)


@torch.no_grad()
def semantic_scores(logits: Tensor, masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Scores (N, C, H, W): class probability times mask probability, summed over queries (Mask2Former).

    Args:
        logits: of classes, no-object last (N, Q, C + 1). masks: mask logits (N, Q, h, w).
    """
    scores = masks.new_empty(masks.shape[0], logits.shape[-1] - 1, *size)
    for rows, band in share_bands(masks, size, softmask=False):
        scores[:, :, rows] = score(logits, band)
    return scores


def score(logits: Tensor, shares: Tensor) -> Tensor:  # (N, Q, C + 1), (N, Q, r, W) -> (N, C, r, W)
    """Class probability times share, summed over queries."""
    return torch.einsum("nqc,nqrw->ncrw", exclusive(logits)[..., :-1], shares)


@dataclass
class Contest:
    """Which query every pixel goes to: the one with the largest score times share.

    Attributes:
        winner: query of each pixel (N, H, W), -1: none. covers: whether its share is 1/2 or more (N, H, W).
        strength: its score times its share (N, H, W), 0 if there is none.
        won: pixels that go to each query (N, Q). own: those where it wins and covers (N, Q).
        area: pixels that it covers, whoever wins (N, Q).
    """

    winner: Tensor
    covers: Tensor
    strength: Tensor
    won: Tensor
    own: Tensor
    area: Tensor

    def masks(self, image: int, queries: Tensor) -> Tensor:  # (K,) -> (K, H, W)
        """Where each of the `queries` of one image wins and covers."""
        return (self.winner[image] == queries[:, None, None]) & self.covers[image]


@torch.no_grad()
def contest(
    scores: Tensor, masks: Tensor, size: tuple[int, int], *, softmask: bool, taken: Tensor | None = None
) -> Contest:
    """Let queries compete for the pixels of images of `size`.

    Args:
        scores: of each query (N, Q), negative for those that take no part. masks: mask logits (N, Q, h, w).
        taken: pixels (N, H, W) that go to nobody.
    """
    count = masks.shape[1]
    winner = torch.full((masks.shape[0], *size), -1, device=masks.device)
    covers = torch.zeros_like(winner, dtype=torch.bool)
    strength = masks.new_zeros(winner.shape)
    area = torch.zeros_like(scores, dtype=torch.long)
    for rows, band in share_bands(masks, size, softmask=softmask):
        claims = (scores[..., None, None] * band).masked_fill(scores[..., None, None] < 0, -1)
        best, query = claims.max(1)
        covers[:, rows] = band.gather(1, query[:, None])[:, 0] >= 0.5
        winner[:, rows] = query.masked_fill(best < 0, -1)
        strength[:, rows] = best.clamp(min=0)
        area += (band >= 0.5).sum((2, 3))
    if taken is not None:
        winner = winner.masked_fill(taken, -1)
    own = tally(winner.masked_fill(~covers, -1), count)
    return Contest(winner, covers, strength, tally(winner, count), own, area)


def tally(winner: Tensor, count: int) -> Tensor:  # (N, H, W)
    """Pixels of each of `count` queries (N, count); -1 is nobody's."""
    ones = torch.ones_like(winner).flatten(1)
    found = ones.new_zeros(winner.shape[0], count + 1)
    return found.scatter_add_(1, winner.flatten(1) + 1, ones)[:, 1:]


def knowing(probabilities: Tensor, *, threshold: float = 0.0) -> tuple[Tensor, Tensor]:
    """Best class of each query (N, Q) and its score, negative where it is no-object or not above `threshold`.

    Args:
        probabilities: of classes, no-object last (N, Q, C + 1).
    """
    best, classes = probabilities.max(-1)
    return classes, best.masked_fill((classes == probabilities.shape[-1] - 1) | (best <= threshold), -1)


@torch.no_grad()
def winning_classes(
    probabilities: Tensor, masks: Tensor, size: tuple[int, int], *, softmask: bool, first: int = 1,
    threshold: float = 0.0, overlap: float = 0.0,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Class of every pixel's best query where that covers it, else background (CoMFormer, ECLIPSE), and how
    sure that is: what the query claims, score times share; of background, what is left of it. Both (N, H, W).

    Args:
        probabilities: of classes, no-object last (N, Q, C + 1). masks: mask logits (N, Q, h, w).
        first: label of column 0. threshold: score that a query must exceed.
        overlap: share of what it covers that a query must win, or it loses all.
    """
    classes, scores = knowing(probabilities, threshold=threshold)
    found = contest(scores, masks, size, softmask=softmask)
    present = (found.won > 0) & (found.area > 0) & (found.own > 0) & (found.won >= overlap * found.area)
    query = found.winner.clamp(min=0).flatten(1)
    taken = present.gather(1, query).view_as(found.winner) & found.covers & (found.winner >= 0)
    labels = (classes + first).gather(1, query).view_as(found.winner).masked_fill(~taken, BACKGROUND)
    return labels, torch.where(taken, found.strength, 1 - found.strength)


LEAST = 1e-6  # score of what no query sees, so that scores have logarithms
CLEARLY = 1e-3  # part by which the score of a class that is decided on is above the mean, if it is not sure


def semantic_rule(logits: Tensor, masks: Tensor, size: tuple[int, int], *, first: int = 0) -> Tensor:
    """Scores of all classes (N, C, H, W), see `semantic_scores`; classes below `first` have none."""
    scores = semantic_scores(logits, masks, size)
    unseen = scores.new_zeros(scores.shape[0], first, *size)
    return torch.cat([unseen, scores], dim=1).clamp_(min=LEAST) if first else scores.clamp_(min=LEAST)


def winner_rule(logits: Tensor, masks: Tensor, size: tuple[int, int], *, first: int = 0) -> Tensor:
    """Scores by the best query of competing masks, see `winning_classes` (CoMFormer)."""
    decided = winning_classes(exclusive(logits), masks, size, softmask=True, first=first)
    return scores_of(*decided, first + logits.shape[-1] - 1)


def sigmoid_rule(logits: Tensor, masks: Tensor, size: tuple[int, int], *, first: int = 0) -> Tensor:
    """Scores by the best query and its sigmoid, see `winning_classes` (ECLIPSE)."""
    decided = winning_classes(logits.sigmoid(), masks, size, softmask=False, first=first)
    return scores_of(*decided, first + logits.shape[-1] - 1)


def scores_of(labels: Tensor, sure: Tensor, classes: int) -> Tensor:  # (N, H, W) -> (N, C, H, W)
    """The score of its class at every pixel is how sure that is; the others share what is left, and are less.

    Differs from CoMFormer: there it is 1, and the others' 0; the class is the same.
    """
    sure = sure.clamp((1 + CLEARLY) / classes, 1 - LEAST)[:, None]
    others = (1 - sure) / max(classes - 1, 1)
    return others.expand(-1, classes, -1, -1).scatter(1, labels[:, None], sure)
