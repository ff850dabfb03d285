"""Uncertainty-aware contrastive distillation (UCD, Yang et al., TPAMI 2022): sampled pixels and loss."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from utils.labels import BACKGROUND

ROWS = 1024  # anchors whose pairs are in memory at a time
PADDING = -1  # label of rows that are compared with nothing


def spatial_attention(features: Tensor) -> Tensor:  # (N, D, h, w)
    """Features scaled by their share of the image's energy, sum_c x_c^2 / its norm over pixels: (N, D, h, w).

    No gradient flows through the share. An image of zeros is returned unchanged.
    """
    energy = features.detach().square().sum(1, keepdim=True)  # (N, 1, h, w)
    return features * F.normalize(energy.flatten(1)).view_as(energy)


@dataclass
class Pixels:
    """A anchors and M = A + E contrasts that they are compared with; the first A contrasts are the anchors.

    There may be PADDING among both, whose features as contrasts are zeros.

    Attributes:
        anchors: unit features of the student (A, D). contrasts: the same without graph, then the teacher's of
        pixels that it labelled alone (M, D). anchor_labels, contrast_labels: (A,), (M,).
        anchor_probabilities, contrast_probabilities: the teacher's softmax there, (A, C_old), (M, C_old).
        first_new: smallest foreground label in the batch's labels; above every label if there is none.
    """

    anchors: Tensor
    contrasts: Tensor
    anchor_labels: Tensor
    contrast_labels: Tensor
    anchor_probabilities: Tensor
    contrast_probabilities: Tensor
    first_new: Tensor

    def without_padding(self) -> "Pixels":
        """Only what is compared; a GPU has to be waited for, since it alone knows how much that is."""
        labels = self.anchor_labels, self.contrast_labels
        mine, both = ((kind != PADDING).nonzero().flatten() for kind in labels)
        return Pixels(
            self.anchors[mine], self.contrasts[both], self.anchor_labels[mine], self.contrast_labels[both],
            self.anchor_probabilities[mine], self.contrast_probabilities[both], self.first_new,
        )  # fmt: skip

    def joint_probabilities(self, rows: slice = slice(None)) -> Tensor:
        """Probability that the teacher gives both pixels of a pair the same class (rows, M)."""
        return self.anchor_probabilities[rows] @ self.contrast_probabilities.T

    def weights(self, rows: slice = slice(None)) -> Tensor:
        """The same, but 1 for pairs of pixels that both bear a label of this step (rows, M)."""
        certain, certain_too = (
            self.anchor_labels[rows] >= self.first_new,
            self.contrast_labels >= self.first_new,
        )
        return self.joint_probabilities(rows).masked_fill(certain[:, None] & certain_too, 1.0)


def choose_pixels(
    features: Tensor, old_features: Tensor, old_logits: Tensor, labels: Tensor, *, max_label: int
) -> Pixels:  # (N, D, h, w) both, (N, C_old, h, w), (N, H, W)
    """The pixels of a batch with a foreground class, from this step's labels or else from the teacher.

    As published, labels are interpolated bilinearly to the features' size as numbers and truncated, which
    gives a third class between two. Those above `max_label`, IGNORE among them, count as background.
    """
    small = F.interpolate(
        labels.unsqueeze(1).to(features.dtype), features.shape[-2:], mode="bilinear", align_corners=False
    )
    # Differs from UCD: its labels are 8-bit numbers with sign, which loses classes from 128 on.
    small = small.squeeze(1).long()  # (N, h, w)
    small = small.masked_fill(small > max_label, BACKGROUND)
    current = small != BACKGROUND
    small = torch.where(current, small, old_logits.argmax(1))
    chosen, by_teacher = small != BACKGROUND, (small != BACKGROUND) & ~current

    student, teacher = (F.normalize(x, dim=1).movedim(1, -1).flatten(0, 2) for x in (features, old_features))
    probabilities = old_logits.softmax(1).movedim(1, -1).flatten(0, 2)  # (N h w, C_old)
    small, chosen, by_teacher = small.flatten(), chosen.flatten(), by_teacher.flatten()
    pixels = Pixels(
        anchors=student,
        contrasts=torch.cat([student * chosen[:, None], teacher * by_teacher[:, None]]).detach(),
        anchor_labels=small.masked_fill(~chosen, PADDING),
        contrast_labels=torch.cat([small.masked_fill(~kept, PADDING) for kept in (chosen, by_teacher)]),
        anchor_probabilities=probabilities,
        contrast_probabilities=torch.cat([probabilities, probabilities]),
        # Differs from UCD, which fails with an empty minimum if there is no labelled pixel.
        first_new=torch.where(current.flatten(), small, max_label + 1).min(),
    )
    # A CPU need not wait to know how many pixels there are, and compares no more than these.
    return pixels.without_padding() if features.device.type == "cpu" else pixels


def pair_losses(
    anchors: Tensor,
    contrasts: Tensor,
    anchor_labels: Tensor,
    contrast_labels: Tensor,
    weights: Tensor | float,
    *,
    first: int = 0,
    temperature: float = 0.07,
) -> tuple[Tensor, Tensor]:  # (R, D), (M, D), (R,), (M,), (R, M)
    """Loss of each anchor, and whether it has a positive pair, both (R,). Anchor r is contrast first + r.

    With s = <anchor, contrast> / temperature and m = max_j s_j, over the P(i) others of the same label:
    -1/P(i) sum_j weight_ij [ s_ij - m_i - log( exp(s_ij - m_i) + sum_k exp(s_ik) ) ], k of other labels. Only
    the positive's exponential is shifted by m, as published; an anchor without positive pair has loss 0.
    PADDING is of no label.
    """
    similar = anchors @ contrasts.T / temperature  # (R, M)
    same, nothing = anchor_labels[:, None] == contrast_labels, contrast_labels == PADDING
    negatives = similar.exp().masked_fill(same | nothing, 0.0).sum(1, keepdim=True)
    itself = torch.arange(len(anchors), device=anchors.device)[:, None] + first
    positive = same & ~nothing & (itself != torch.arange(len(contrasts), device=anchors.device))
    shifted = similar - similar.detach().amax(1, keepdim=True)
    terms = (weights * (shifted - (shifted.exp() + negatives).log())).masked_fill(~positive, 0.0)
    pairs = positive.sum(1)
    return -terms.sum(1) / pairs.clamp(min=1), pairs > 0


def pixel_contrast(pixels: Pixels, *, temperature: float = 0.07) -> Tensor:
    """Mean of the anchors' losses, a scalar; 0 with gradient 0 if no anchor has a positive pair.

    Pairs are formed for `ROWS` anchors at a time, and recomputed in the backward pass, so that memory grows
    linearly with the number of pixels.
    """
    total, count = pixels.anchors.sum() * 0.0, 0
    for first in range(0, len(pixels.anchors), ROWS):
        rows = slice(first, first + ROWS)

        def chunk(anchors: Tensor, rows: slice = rows) -> tuple[Tensor, Tensor]:
            return pair_losses(
                anchors, pixels.contrasts, pixels.anchor_labels[rows], pixels.contrast_labels,
                pixels.weights(rows), first=rows.start, temperature=temperature,
            )  # fmt: skip

        losses, counted = checkpoint(
            chunk, pixels.anchors[rows], use_reentrant=False, preserve_rng_state=False
        )
        total, count = total + losses.sum(), count + counted.sum()
    # Differs from UCD, whose mean is NaN if there is no positive pair.
    return total / torch.as_tensor(count, device=total.device).clamp(min=1)
