"""The images of a split, and what is known of their files, as columns instead of objects.

An object with two paths takes 900 bytes, what it says 100. And whoever looks at an object writes to it (its
count of references), so that loader processes would soon share none of a million of them with the process
that they were forked from; of an array they share everything.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice, repeat
from pathlib import Path
from time import perf_counter

import numpy as np

from dataset.columns import Files, Texts

KINDS = ("image", "mask")
BLOCK = 4096  # files that are asked about at a time
SLOW, AT_ONCE = 1e-4, 16  # seconds per question from which so many files are asked about at a time


@dataclass(frozen=True)
class Sample:
    """One image of a dataset.

    Args:
        id: name of the image, unique within its split and the same on every machine.
        image: file of the picture, None if the dataset makes its pictures itself.
        mask: file of the annotation, None likewise.
        domain: number of the domain (e.g. the city) the image comes from, for domain-incremental tasks.
    """

    id: str
    image: Path | None = None
    mask: Path | None = None
    domain: int | None = None


class Samples(Sequence[Sample]):
    """The samples of a split, or some of them; each is made when somebody asks for it.

    Args:
        ids: of the images. images, masks: their files, None for a dataset without.
        domains: numbers of domains.
    """

    def __init__(self, ids: Texts, images: Files | None = None, masks: Files | None = None,
                 domains: np.ndarray | None = None):  # fmt: skip
        self._ids, self._images, self._masks, self._domains = ids, images, masks, domains
        self._whole, self._rows = self, None  # all images, and which of them these are

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Samples":
        """`samples` in columns; all or none of them have an image, a mask and a domain."""
        if isinstance(samples, Samples):
            return samples
        images, masks = ([str(path) for one in samples if (path := getattr(one, kind))] for kind in KINDS)
        domains = [one.domain for one in samples if one.domain is not None]
        return cls.of_columns([one.id for one in samples], images, masks, domains)

    @classmethod
    def of_columns(cls, ids: Sequence[str], images: Sequence[str] = (), masks: Sequence[str] = (),
                   domains: Sequence[int] = ()) -> "Samples":  # fmt: skip
        """Samples with these ids, paths and domains."""
        for column in (images, masks, domains):
            assert len(column) in (0, len(ids)), "a column has other images than the ids"
        return cls(Texts.of(ids), Files.of(images) if images else None, Files.of(masks) if masks else None,
                   np.array(domains, np.int32) if domains else None)  # fmt: skip

    def __len__(self) -> int:
        return len(self._ids if self._rows is None else self._rows)

    def __getitem__(self, index):
        if isinstance(index, slice):
            some = range(len(self))[index]
            return self.take(np.arange(some.start, some.stop, some.step))
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        row = index % len(self) if self._rows is None else self._rows.item(index)
        image, mask = (Path(files[row]) if files else None for files in (self._images, self._masks))
        return Sample(self._ids[row], image, mask, None if self._domains is None else int(self._domains[row]))

    def __iter__(self) -> Iterator[Sample]:
        domains = repeat(None) if self.domains is None else self.domains.tolist()
        for id, image, mask, domain in zip(self.ids(), self.images(), self.masks(), domains, strict=False):
            yield Sample(id, image and Path(image), mask and Path(mask), domain)

    def __eq__(self, other) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def take(self, rows: np.ndarray) -> "Samples":
        """Those at the positions `rows`; columns are shared."""
        some = Samples(self._ids, self._images, self._masks, self._domains)
        some._whole, some._rows = self._whole, np.asarray(rows, np.int32)
        if self._rows is not None:
            some._rows = self._rows[rows]
        return some

    def __reduce__(self):
        whole = self._ids, self._images, self._masks, self._domains
        return _some_of, (whole, self._rows)  # versions stay behind: no other process asks for them

    # -- columns -----------------------------------------------------------------------------------------
    def ids(self) -> Iterator[str]:
        """Id of each image."""
        return self._ids.of_rows(self._rows)

    def images(self) -> Iterator[str | None]:
        """Path of each picture, None without files."""
        return self._images.of_rows(self._rows) if self._images else repeat(None, len(self))

    def masks(self) -> Iterator[str | None]:
        """Path of each mask, None without files."""
        return self._masks.of_rows(self._rows) if self._masks else repeat(None, len(self))

    @property
    def domains(self) -> np.ndarray | None:
        """Domain of each image, int32 (N,); None without."""
        return self._domains if self._domains is None or self._rows is None else self._domains[self._rows]

    @property
    def versions(self) -> np.ndarray:
        """Size and time (ns) of pictures and of masks, int64 (N, 2, 2), 0 without; asked once, and kept.

        Raises:
            FileNotFoundError: if a file is not there.
        """
        known = self._whole._versions
        return known if self._rows is None else known[self._rows]

    @cached_property
    def _versions(self) -> np.ndarray:
        found = np.zeros((len(self), 2, 2), np.int64)
        for column, paths in enumerate((self.images(), self.masks())):
            asked = chain.from_iterable(versions(paths))
            found[:, column] = np.fromiter(asked, np.int64).reshape(-1, 2)
        return found

    def files(self) -> list[tuple[Iterator[str], np.ndarray]]:
        """Paths and versions int64 (N, 2) of pictures and of masks, as far as there are files."""
        columns = ((self._images, self.images()), (self._masks, self.masks()))
        return [(paths, self.versions[:, k]) for k, (there, paths) in enumerate(columns) if there]

    def missing(self) -> list[str]:
        """Paths of files that are not there."""
        return [path for files in (self._images, self._masks) if files for path in files.missing()]


def _some_of(whole: tuple, rows: np.ndarray | None) -> Samples:
    return Samples(*whole) if rows is None else Samples(*whole).take(rows)


def versions(paths: Iterator[str | None]) -> Iterator[tuple[int, int]]:
    """Size and time (ns) of each file, 0 of None; several at a time where answers take long (a network)."""
    began, asked = perf_counter(), 0
    for path in paths:
        yield _version(path)
        asked += 1
        if asked == BLOCK // AT_ONCE and perf_counter() - began > SLOW * asked:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                while block := list(islice(paths, BLOCK)):
                    yield from pool.map(_version, block)


def _version(path: str | None) -> tuple[int, int]:
    if path is None:
        return 0, 0
    about = os.stat(path)
    return about.st_size, about.st_mtime_ns
