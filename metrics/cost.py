"""Cost of the training of a step."""

import sys
import time

import torch


def training_cost(net, began: float, images: int, images_trained: int, *, classes: int) -> dict:
    """What a checkpoint records of its training: seconds, images, parameters, peak memory.

    Args:
        net: the trained `SegmentationModel`; what was frozen in training is still frozen.
        began: `time.perf_counter()` at the start. images: of the step. images_trained: over all epochs.
        classes: rows of the fine-tuned network that the trainable parameters are compared with; without
            those of future classes, as in the percentages of arXiv 2508.04267.
    """
    return {
        "seconds": time.perf_counter() - began,
        "images": images,
        "images_trained": images_trained,
        "trainable_parameters": sum(parameter.numel() for parameter in net.trainable()),
        "finetuning_parameters": net.num_parameters(classes=classes),
        "peak_memory_bytes": peak_memory(),
    }


def peak_memory() -> int:
    """Peak bytes so far: of tensors on the GPU, else of the whole process (0 where unknown)."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
