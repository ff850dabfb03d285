"""Cost of the training of a step."""

import sys
import time
from collections.abc import Mapping

import torch


class Clock:
    """Seconds, CPU seconds and peak memory of a step over all calls that train it; runs from its making on.

    What an interrupted call had spent until it saved its state is in that state; what it did after that is
    lost, as its work is.
    """

    def __init__(self):
        self.began, self.calls, self.before, self.peak_before = time.perf_counter(), 1, 0.0, 0
        self.cpu_began, self.cpu_before = time.process_time(), 0.0

    @property
    def seconds(self) -> float:
        """Of this call and of those before it."""
        return self.before + time.perf_counter() - self.began

    @property
    def cpu_seconds(self) -> float:
        """Of all threads of this process, not of its workers; on a busy machine these say what was done."""
        return self.cpu_before + time.process_time() - self.cpu_began

    @property
    def peak_memory(self) -> int:
        """Bytes, the most of all calls."""
        return max(self.peak_before, peak_memory())

    def state_dict(self) -> dict:
        """Plain copy for a file."""
        spent = {"seconds": self.seconds, "cpu_seconds": self.cpu_seconds, "calls": self.calls}
        return spent | {"peak_memory_bytes": self.peak_memory}

    def load_state_dict(self, state: Mapping) -> None:
        """Count on from where an earlier call saved; {} if it did not say."""
        self.before, self.peak_before = state.get("seconds", 0.0), state.get("peak_memory_bytes", 0)
        self.cpu_before = state.get("cpu_seconds", 0.0)
        self.calls = state.get("calls", 0) + 1


def training_cost(net, clock: Clock, images: int, images_trained: int, *, classes: int) -> dict:
    """What a checkpoint records of its training: seconds (also of CPU), calls, images, parameters, memory.

    Args:
        net: the trained `SegmentationModel`; what was frozen in training is still frozen.
        clock: of the step. images: of the step. images_trained: over all epochs.
        classes: rows of the fine-tuned network that the trainable parameters are compared with; without
            those of future classes, as in the percentages of arXiv 2508.04267.
    """
    return clock.state_dict() | {
        "images": images,
        "images_trained": images_trained,
        "trainable_parameters": sum(parameter.numel() for parameter in net.trainable()),
        "finetuning_parameters": net.num_parameters(classes=classes),
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
