"""Masks that the network of the step before finds: they join those of the labels."""

import torch
from torch import Tensor

from utils.masks.full_size import contest, knowing
from utils.masks.targets import Masks


def taken_by(targets: list[Masks]) -> Tensor:
    """Pixels inside a labelled mask (N, H, W)."""
    return torch.stack([one.anywhere() for one in targets])


@torch.no_grad()
def winners_masks(
    old_logits: Tensor, old_masks: Tensor, targets: list[Masks], *, softmask: bool, threshold: float = 0.0
) -> list[Masks]:
    """Masks of the teacher in the order of its queries (CoMFormer, section 2).

    A query gives one, where it wins and covers, if it wins more than half as many pixels as it covers.
    Pixels of labelled masks are won by nobody, but count as covered; won pixels need not be covered (as
    published).

    Args:
        old_logits: of classes, no-object last (N, Q, C_old + 1). old_masks: mask logits (N, Q, h, w).
        targets: masks of the labels. softmask: whether masks compete. threshold: score that a query must
            exceed.
    """
    classes, scores = knowing(old_logits.softmax(-1), threshold=threshold)
    taken = taken_by(targets)
    found = contest(scores, old_masks, taken.shape[-2:], softmask=softmask, taken=taken)
    good = (scores >= 0) & (found.own > 0) & (2 * found.won > found.area)
    pseudo = []
    for image, mask in enumerate(good):
        queries = mask.nonzero()[:, 0]
        pseudo.append(Masks(classes[image, queries], found.masks(image, queries)))
    return pseudo


@torch.no_grad()
def ranked_masks(
    old_logits: Tensor, old_masks: Tensor, targets: list[Masks], *, overlap: float,
    whole: Tensor | None = None,
) -> list[Masks]:  # fmt: skip
    """Masks of the teacher, best score first (BalConpas, section 2).

    A query gives one, where it wins, covers and no label is, if that is more than `overlap` of what it
    covers.

    Args:
        old_logits, old_masks, targets: as in `winners_masks`.
        whole: images (N,) in which labelled pixels may be won, too.
    """
    classes, scores = knowing(old_logits.softmax(-1))
    taken = taken_by(targets)
    if whole is not None:
        taken = taken & ~whole[:, None, None]
    found = contest(scores, old_masks, taken.shape[-2:], softmask=False, taken=taken)
    good = (scores >= 0) & (found.own > 0) & (found.own > overlap * found.area)
    pseudo = []
    for image, mask in enumerate(good):
        queries = mask.nonzero()[:, 0]
        queries = queries[scores[image, queries].argsort(descending=True, stable=True)]
        pseudo.append(Masks(classes[image, queries], found.masks(image, queries)))
    return pseudo


def from_memory(targets: list[Masks], num_old: int) -> Tensor:
    """Images (N,) that show a mask of an old class, as those from a memory do, and no others (BalConpas)."""
    return torch.stack([(one.classes < num_old).any() for one in targets])


def joined(targets: list[Masks], pseudo: list[Masks], whole: Tensor) -> list[Masks]:
    """Pseudo masks, then those of the labels; of `whole` images (N,) the latter alone (BalConpas)."""
    pairs = zip(targets, pseudo, whole.tolist(), strict=True)
    return [own if alone else found + own for own, found, alone in pairs]
