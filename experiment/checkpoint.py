"""Checkpoints: tensors and plain types in one file, written whole or not at all, read without executing
anything.
"""

import os
import pickle
import subprocess
import sys
import zipfile
import zlib
from collections import OrderedDict
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

from utils.files import replacing

FORMAT = 1
PLAIN = (str, int, float, bool, type(None))


def save(content: dict, path: Path | str) -> None:
    """Write `content` to `path` atomically: temporary file, fsync, rename.

    Raises:
        OSError: if the folder cannot be written or the disk is full; what was at `path` is untouched.
        TypeError: if `content` holds anything but tensors and plain types.
        FloatingPointError: if a weight is not finite.
    """
    path = Path(path)
    content = own(content)
    content |= {"format": FORMAT, "checksum": checksum(content), "learned": learned(content)}
    try:
        with replacing(path) as file:
            torch.save(content, file)
    except RuntimeError as error:  # torch wraps a failed write
        raise OSError(f"cannot write {path}; is the disk full? ({' '.join(str(error).split())})") from error
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, where the system can: Windows opens no folders."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def load(path: Path | str) -> dict:
    """Read a checkpoint onto the CPU, with `weights_only`.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if the file is truncated, damaged, or not one of ours.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    try:
        if not zipfile.is_zipfile(path):  # a truncated file has no directory at its end
            raise zipfile.BadZipFile
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path} holds more than tensors and plain types; it was not executed") from error
    except (RuntimeError, EOFError, OSError, zipfile.BadZipFile, ValueError, KeyError) as error:
        raise ValueError(
            f"{path} is damaged or no checkpoint ({type(error).__name__}); train the step again with "
            "--overwrite"
        ) from error
    if not isinstance(content, dict) or "format" not in content:
        raise ValueError(f"{path} was not written by this framework; see python -m scripts.convert --help")
    if content["format"] != FORMAT:
        raise ValueError(f"{path} has format {content['format']}, this version reads format {FORMAT}")
    if content.get("checksum") != checksum(own(content)):
        cure = "train the step again with --overwrite"
        raise ValueError(f"{path} is damaged: its checksum does not match; {cure}")
    return content | {"learned": learned(content)}


def learned(content: dict) -> int:
    """Checksum of what the next step continues from: the network and the method's own state."""
    return checksum([content.get("net", {}), content.get("method_state", {})])


def own(content: dict) -> dict:
    """What its writer put into a checkpoint."""
    return {key: value for key, value in content.items() if key not in ("format", "checksum", "learned")}


def checksum(value) -> int:
    """CRC-32 of every tensor and plain value inside `value`, in a fixed order.

    Raises:
        TypeError: on anything but tensors, numbers, text, None, lists, tuples and dicts.
        FloatingPointError: if a floating-point tensor below a key "net" is not finite.
    """
    return _crc(value, 0, "")


def _crc(value, crc: int, where: str) -> int:
    if type(value) in (dict, OrderedDict):
        for key, item in value.items():
            crc = _crc(item, zlib.crc32(repr(key).encode(), crc), f"{where}.{key}" if where else str(key))
        return crc
    if type(value) in (list, tuple):
        for number, item in enumerate(value):
            crc = _crc(item, crc, f"{where}[{number}]")
        return crc
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().contiguous()
        if where.startswith("net.") and value.is_floating_point() and not torch.isfinite(value).all():
            raise FloatingPointError(f"{where} is not finite; it is not saved")
        return zlib.crc32(
            value.reshape(-1).view(torch.uint8).numpy(), zlib.crc32(str(value.dtype).encode(), crc)
        )
    if type(value) in PLAIN:  # not isinstance: a subclass, such as numpy's float, would need code to be read
        return zlib.crc32(repr(value).encode(), crc)
    raise TypeError(f"{where} is a {type(value).__name__}: checkpoints hold tensors and plain types only")


def versions() -> dict[str, str]:
    """What computed this: Python, libraries, device, and the git revision of the source."""
    return {
        "python": sys.version.split()[0],
        "torch": str(torch.__version__),
        "torchvision": version("torchvision"),  # without importing it, which takes two seconds
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "git": git_revision(),
    }


@cache
def git_revision() -> str:
    """Commit of the source tree, with "+" when it has changes; "" outside a repository."""
    root = Path(__file__).resolve().parent.parent
    command = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
