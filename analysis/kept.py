"""Tensors of which a given amount of memory holds the first, and a file the others, exactly."""

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor


class Kept:
    """A list of records, each of the same number of tensors, such as features and labels of an image.

    Args:
        memory: bytes to hold; what is beyond goes to a nameless file in `folder`, as it is.
        expected: how many records will come, to know beforehand whether the disk has room for them.
    """

    def __init__(self, *, memory: float, folder: Path, expected: int):
        self.memory, self.folder, self.expected = memory, folder, expected
        self.held: list[tuple[Tensor, ...]] = []
        self.filed: list[list[tuple[int, torch.Size, torch.dtype]]] = []
        self.bytes = 0
        self.file = None

    def __len__(self) -> int:
        return len(self.held) + len(self.filed)

    def append(self, *record: Tensor) -> None:
        """Keep a copy of the tensors of one record.

        Raises:
            ValueError: before the first is filed, if the disk has no room for all.
        """
        size = sum(one.nbytes for one in record)
        if self.file is None and self.bytes + size <= self.memory:
            self.held.append(tuple(one.clone(memory_format=torch.contiguous_format) for one in record))
            self.bytes += size
            return
        if self.file is None:
            self.file = self.opened((self.expected - len(self)) * size)
        entries = []
        for one in record:
            entries.append((self.file.tell(), one.shape, one.dtype))
            self.file.write(visible(one.cpu().contiguous()).tobytes())
        self.filed.append(entries)

    def opened(self, size: int) -> BinaryIO:
        """The file, which vanishes with the process, if there is room for `size` bytes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if size > (free := shutil.disk_usage(self.folder).free):
            raise ValueError(
                f"{size / 1e9:.3g} GB of features do not fit into --memory, and {self.folder} has only "
                f"{free / 1e9:.3g} GB free: give fewer images (--num_images), more --memory or another "
                "--cache_dir"
            )
        file = tempfile.TemporaryFile(dir=self.folder)
        weakref.finalize(self, file.close)
        return file

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        if index < len(self.held):
            return self.held[index]
        found = []
        for place, shape, dtype in self.filed[index - len(self.held)]:
            content = torch.empty(shape, dtype=dtype)
            self.file.seek(place)
            self.file.readinto(visible(content).data)
            found.append(content)
        return tuple(found)


def visible(tensor: Tensor) -> np.ndarray:
    """The memory of a contiguous tensor as numpy sees it, flat."""
    return tensor.reshape(-1).view(torch.uint8).numpy()
