"""What GPU there is, without importing PyTorch (seconds) where the system has none."""

import sys
from pathlib import Path

# Files of NVIDIA, of AMD, and of Windows below Linux.
DEVICES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")


def possible() -> bool:
    """Whether it is worth importing PyTorch to ask: not on a Linux without a device file."""
    return "torch" in sys.modules or sys.platform != "linux" or any(Path(file).exists() for file in DEVICES)


def found() -> bool:
    """Whether PyTorch finds a GPU."""
    if not possible():
        return False
    import torch

    return torch.cuda.is_available()


def has_bf16() -> bool:
    """Whether it computes in bfloat16."""
    if not found():
        return False
    import torch

    return torch.cuda.is_bf16_supported()
