"""The textbook forms: the same mathematics, written as in the papers and the published systems.

The baseline of the benchmark, and what tests compare our implementations with on small sizes.
"""

import random

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from dataset.transform import MEAN, STD, crop_box
from utils.labels import IGNORE


# -- losses, as maps (N, H, W) of full-size logits --------------------------------------------------------
def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log softmax(z)_y."""
    return F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none")


def unbiased_cross_entropy(logits: Tensor, labels: Tensor, num_old: int) -> Tensor:
    """MiB equation 5, by a tensor of log-probabilities whose background is all old classes."""
    total = torch.logsumexp(logits, dim=1)
    outputs = logits.new_zeros(logits.shape)
    outputs[:, 0] = torch.logsumexp(logits[:, :num_old], dim=1) - total
    outputs[:, num_old:] = logits[:, num_old:] - total.unsqueeze(1)
    labels = labels.clone()
    labels[labels < num_old] = 0
    return F.nll_loss(outputs, labels, ignore_index=IGNORE, reduction="none")


def unbiased_distillation(logits: Tensor, old_logits: Tensor) -> Tensor:
    """MiB equation 8."""
    num_old = old_logits.shape[1]
    background = torch.tensor([0, *range(num_old, logits.shape[1])], device=logits.device)
    total = torch.logsumexp(logits, dim=1)
    outputs = logits[:, 1:num_old] - total.unsqueeze(1)
    hidden = torch.logsumexp(torch.index_select(logits, 1, background), dim=1) - total
    targets = torch.softmax(old_logits, dim=1)
    return -(targets[:, 0] * hidden + (targets[:, 1:] * outputs).sum(dim=1)) / num_old


def distillation(logits: Tensor, old_logits: Tensor) -> Tensor:
    """LwF's soft cross entropy on the old channels, divided by their number."""
    outputs = torch.log_softmax(logits[:, : old_logits.shape[1]], dim=1)
    return -(torch.softmax(old_logits, dim=1) * outputs).mean(dim=1)


def binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross entropy with the one-hot label, summed over classes."""
    valid = labels != IGNORE
    targets = F.one_hot(labels.where(valid, 0), logits.shape[1]).permute(0, 3, 1, 2).to(logits.dtype)
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(1) * valid


def pseudo_labels(old_logits: Tensor, labels: Tensor, thresholds: Tensor, num_seen: int) -> Tensor:
    """PLOP's: the entropy of the whole softmax, and three masked writes."""
    probability = torch.softmax(old_logits, dim=1)
    num_old = old_logits.shape[1]
    entropy = -(probability * torch.log(probability + 1e-8)).mean(dim=1) / np.log(num_old) / np.log(num_seen)
    classes = probability.max(dim=1)[1]
    background, believed = labels < num_old, entropy < thresholds[classes]
    labels = labels.clone()
    labels[background & believed] = classes[background & believed]
    labels[background & ~believed] = IGNORE
    return labels


def pod_distance(old: Tensor, new: Tensor, scales: tuple[int, ...] = (1, 2, 4)) -> Tensor:
    """Local POD of two maps, region by region, (N,)."""
    if new.shape[1] > old.shape[1]:
        extra = new[:, old.shape[1] :].sum(1, keepdim=True)
        new = torch.cat([new[:, :1] + extra, new[:, 1 : old.shape[1]]], dim=1)
    pooled = []
    for maps in (old**2, new**2):
        parts = []
        for scale in scales:
            k = maps.shape[-1] // scale
            for i in range(scale):
                for j in range(scale):
                    region = maps[:, :, i * k : (i + 1) * k, j * k : (j + 1) * k]
                    parts += [region.mean(3).flatten(1), region.mean(2).flatten(1)]
        pooled.append(torch.cat(parts, dim=1))
    return torch.linalg.vector_norm(pooled[0] - pooled[1], dim=1)


def pod(old_maps: list[Tensor], maps: list[Tensor], factors: list[float]) -> Tensor:
    """Local POD of all maps, a scalar."""
    layers = zip(factors, old_maps, maps, strict=True)
    return sum(factor * pod_distance(old, new).mean() for factor, old, new in layers) / len(maps)


def votes(p: Tensor, features: Tensor, weight: Tensor) -> Tensor:  # (K, U), (D, U), (K, D)
    """NeST's selection: p_k [f_d W[k, d] > 0], summed over all pixels U, by way of all products (U, K, D)."""
    products = features.T[:, None] * weight[None]  # (U, K, D)
    return ((products > 0).to(p.dtype) * p.T[:, :, None]).sum(0)


def confusion(labels: Tensor, predictions: Tensor, num_classes: int) -> Tensor:
    """Counts (C, C) by numpy, image by image, as the published metrics do it."""
    matrix = np.zeros((num_classes, num_classes))
    for truth, predicted in zip(labels.cpu().numpy(), predictions.cpu().numpy(), strict=True):
        truth, predicted = truth.flatten(), predicted.flatten()
        known = (truth >= 0) & (truth < num_classes)
        cells = num_classes * truth[known].astype(int) + predicted[known]
        matrix += np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)
    return torch.from_numpy(matrix)


# -- data -------------------------------------------------------------------------------------------------
def masked_labels(labels: Tensor, visible: dict[int, int]) -> Tensor:
    """Labels of a step, mapped pixel by pixel: `visible` or background, IGNORE stays."""
    return labels.clone().apply_(lambda label: IGNORE if label == IGNORE else visible.get(label, 0))


def train_item(image_path, mask_path, size: int, rng: random.Random, visible: dict[int, int]):
    """A training image (3, size, size), normalised, and its labels, by Pillow and a call per pixel."""
    image, mask = Image.open(image_path).convert("RGB"), Image.open(mask_path)
    top, left, height, width = crop_box(rng, *image.size)
    box = (left, top, left + width, top + height)
    image = image.crop(box).resize((size, size), Image.Resampling.BILINEAR)
    mask = mask.crop(box).resize((size, size), Image.Resampling.NEAREST)
    if rng.random() < 0.5:
        image, mask = (x.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for x in (image, mask))
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    labels = torch.from_numpy(np.array(mask)).long()
    return (pixels - mean) / std, masked_labels(labels, visible)


def shown_classes(image_path, mask_path) -> np.ndarray:
    """Classes of an image, as the published scan finds them: both files opened and decoded."""
    Image.open(image_path).convert("RGB").load()
    return np.unique(np.array(Image.open(mask_path)))
