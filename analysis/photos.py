"""Which photos to look at, what is written for each, and what was written before."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dataset.files import PICTURES
from utils.files import files_below, write_text

CLAIM = "predictions.json"


@dataclass(frozen=True)
class Photo:
    """A photo and the files that are written for it.

    Args:
        path: of the photo. stem: of its files, with the folders below the one that was named.
    """

    path: Path
    stem: Path

    @property
    def mask(self) -> Path:
        """The mask."""
        return self.stem.with_name(f"{self.stem.name}_mask.png")

    @property
    def overlay(self) -> Path:
        """Photo and prediction, to look at."""
        return self.stem.with_name(f"{self.stem.name}_overlay.png")

    @property
    def shares(self) -> Path:
        """The table of classes; written last."""
        return self.stem.with_name(f"{self.stem.name}_shares.csv")

    def done(self, *, overlays: bool) -> bool:
        """Whether everything was written."""
        files = [self.mask, self.shares, *([self.overlay] if overlays else [])]
        return all(file.is_file() for file in files)


def find_photos(words: Sequence[str], out: Path) -> list[Photo]:
    """The photos that `words` name: files, or folders with all that is in them (what lies in `out` is not).

    Raises:
        FileNotFoundError: if a folder has none. ValueError: if two would be written under one name.
    """
    photos: list[Photo] = []
    for word in map(Path, words):
        if word.is_dir():
            found = [path for path in files_below(word, PICTURES) if not path.is_relative_to(out)]
            photos += [Photo(path, out / path.relative_to(word).with_suffix("")) for path in found]
        else:
            photos.append(Photo(word, out / word.stem))
    known: dict[Path, Path] = {}
    for photo in photos:
        if photo.stem in known:
            raise ValueError(
                f"two photos are called {photo.stem.relative_to(out)} ({known[photo.stem]}, {photo.path}); "
                "predict them into different folders (--out)"
            )
        known[photo.stem] = photo.path
    return photos


def claim(out: Path, by: dict, *, overwrite: bool) -> None:
    """Note in `out` what its files are made by, so that no others are taken for them later.

    Raises:
        ValueError: if they were made by something else.
    """
    file = out / CLAIM
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {}
    changed = [
        f"{key} {before.get(key)}, not {value}" for key, value in by.items() if before.get(key) != value
    ]
    if before and changed and not overwrite:
        raise ValueError(
            f"{out} holds predictions by {'; '.join(changed)}: give another --out, or --overwrite"
        )
    write_text(file, json.dumps(by, indent=1) + "\n")
