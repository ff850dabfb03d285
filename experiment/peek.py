"""What a checkpoint says of itself, read in a millisecond: no tensor, no checksum, no PyTorch."""

import io
import pickle
import zipfile
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path

from utils.files import version_of


class WithoutTensors(pickle.Unpickler):
    """Reads the plain values of a file of `torch.save`; every tensor is None.

    It looks no name up, so that nothing but ordered dictionaries is ever called for a file.
    """

    def find_class(self, module: str, name: str) -> type:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module in ("torch", "torch._utils"):
            return Absent
        raise pickle.UnpicklingError(f"{module}.{name} is no tensor and no plain type")

    def persistent_load(self, pid: object) -> None:
        return None


class Absent:
    """In place of a storage's type, and of what makes tensors."""

    def __new__(cls, *_: object) -> None:
        return None


def peek(path: Path | str) -> dict:
    """The content of a checkpoint with None for every tensor; not verified; {} if it cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(one for one in archive.namelist() if one.endswith("/data.pkl"))
            content = WithoutTensors(io.BytesIO(archive.read(name))).load()
    except Exception:  # there is hardly one that a damaged file cannot raise
        return {}
    return content if isinstance(content, dict) else {}


def about(path: Path | str) -> dict:
    """What a checkpoint says of itself, without network and state of the method; {} if it cannot be read.

    A file that has not changed is read once in the life of the process: what it says must not be changed.
    """
    try:
        return _about(Path(path), version_of(Path(path)))
    except OSError:
        return {}


@lru_cache(maxsize=256)
def _about(path: Path, _version: tuple[int, ...]) -> dict:
    return {key: value for key, value in peek(path).items() if key not in ("net", "method_state")}
