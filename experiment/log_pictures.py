"""Pictures of a test, for TensorBoard: some test images with truth and prediction."""

from zlib import crc32

import numpy as np
import torch

from dataset.images import StepImages
from dataset.transform import normalize
from utils.pictures.segmentations import comparison, to_dataset_labels


def some_images(images: StepImages, count: int) -> list[int]:
    """Positions of `count` images, chosen by their ids: nearly the same ones at every step of a task."""
    return sorted(range(len(images)), key=lambda index: crc32(images.ids[index].encode()))[:count]


@torch.inference_mode()
def sample_picture(method, images: StepImages, *, count: int = 6) -> np.ndarray:
    """Image, truth and prediction, one row each, and a legend.

    Args:
        method: with its network, in evaluation mode. images: of the test.

    Returns:
        RGB uint8 (height, width, 3).
    """
    device = next(method.net.parameters()).device
    pictures, truths, predictions = [], [], []
    for index in some_images(images, count):
        image, labels = images[index]
        predicted = method.predict(method.net(normalize(image[None].to(device))).logits)[0]
        pictures.append(image.permute(1, 2, 0).numpy())
        truths.append(to_dataset_labels(labels.numpy(), method.step.order))
        predictions.append(to_dataset_labels(predicted.cpu().numpy(), method.step.order))
    dataset = images.dataset
    return comparison(pictures, truths, {"prediction": predictions}, class_names=dataset.class_names,
                      palette=dataset.palette)  # fmt: skip
