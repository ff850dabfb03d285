"""Strings and paths of files by the million: blocks of bytes, which processes share, in place of objects."""

import os
from collections.abc import Iterator, Sequence
from itertools import filterfalse

import numpy as np

BLOCK = 4096  # texts that are made at a time
ESCAPE = "surrogateescape"  # as Python's file names that are no UTF-8


class Texts(Sequence[str]):
    """Strings in one block of bytes.

    Args:
        data: uint8, the strings in UTF-8, a zero behind each. ends: where the zeros are.
    """

    def __init__(self, data: np.ndarray, ends: np.ndarray):
        self.data, self.ends = (np.asarray(one) for one in (data, ends))
        self._shared: tuple = ()

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Texts":
        """The strings `texts`, of which none has a zero character."""
        blocks = (texts[start : start + BLOCK] for start in range(0, len(texts), BLOCK))
        data = bytearray().join(("\0".join(block) + "\0").encode("utf-8", ESCAPE) for block in blocks)
        data = np.frombuffer(data, np.uint8)
        return cls(data, np.flatnonzero(data == 0).astype(np.int32 if data.size < 2**31 else np.int64))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> str:
        start = self.ends.item(index - 1) + 1 if index else 0
        return str(self.data[start : self.ends.item(index)], "utf-8", ESCAPE)

    def of_rows(self, rows: np.ndarray | None = None) -> Iterator[str]:
        """The strings at `rows`, in their order; all by default."""
        rows = np.arange(len(self)) if rows is None else rows
        for first in range(0, len(rows), BLOCK):
            block = rows[first : first + BLOCK]
            if block[-1] - block[0] == len(block) - 1 and (np.diff(block) == 1).all():  # in one piece
                start = self.ends.item(block[0] - 1) + 1 if block[0] else 0
                yield from str(self.data[start : self.ends.item(block[-1])], "utf-8", ESCAPE).split("\0")
            else:
                yield from map(self.__getitem__, block.tolist())

    def __reduce__(self):
        # Processes that are not forked get tensors by shared memory, all of them the same.
        import torch

        self._shared = self._shared or (torch.from_numpy(self.data), torch.from_numpy(self.ends))
        return Texts, self._shared


class Files:
    """Paths of files: their folders, of which there are few, and their names.

    Args:
        folders: with the separator behind. place: number of the folder of each file. names: in these.
    """

    def __init__(self, folders: Texts, place: np.ndarray, names: Texts):
        self.folders, self.place, self.names = folders, place, names

    @classmethod
    def of(cls, paths: Sequence[str]) -> "Files":
        """The files with these `paths`."""
        folders: dict[str, int] = {}
        place, names = np.zeros(len(paths), np.int32), []
        for position, path in enumerate(paths):
            folder, separator, name = path.rpartition(os.sep)
            place[position] = folders.setdefault(folder + separator, len(folders))
            names.append(name)
        return cls(Texts.of([*folders]), place, Texts.of(names))

    def __getitem__(self, index: int) -> str:
        return self.folders[self.place.item(index)] + self.names[index]

    def of_rows(self, rows: np.ndarray | None = None) -> Iterator[str]:
        """The paths at `rows`, in their order; all by default."""
        place = self.place if rows is None else self.place[rows]
        folders = [*self.folders]
        if len(folders) == 1:
            yield from map(folders[0].__add__, self.names.of_rows(rows))
            return
        for number, name in zip(place.tolist(), self.names.of_rows(rows), strict=True):
            yield folders[number] + name

    def missing(self) -> Iterator[str]:
        """Those that are not there: one look into each folder instead of one question per file."""
        there = [set(os.listdir(one or ".")) if os.path.isdir(one or ".") else set() for one in self.folders]
        if len(there) == 1:
            yield from map(self.folders[0].__add__, filterfalse(there[0].__contains__, self.names.of_rows()))
            return
        for number, name in zip(self.place.tolist(), self.names.of_rows(), strict=True):
            if name not in there[number]:
                yield self.folders[number] + name
