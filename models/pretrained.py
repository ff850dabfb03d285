"""Files of weights: read safely, told apart from what is not one, fitted to a module by name."""

import argparse
import collections
import pickle
import zipfile
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.wrapping import network_in

# Plain values that published files carry beside tensors: scores as numpy scalars, options as a namespace.
# Rebuilding them executes nothing of the file's choosing.
PLAIN = [
    np.dtype,
    np.ndarray,
    *{type(np.dtype(kind)) for kind in "?bhilqBHILQefd"},
    (np._core.multiarray.scalar, "numpy.core.multiarray.scalar"),
    (np._core.multiarray._reconstruct, "numpy.core.multiarray._reconstruct"),
    np._core.multiarray.scalar,
    np._core.multiarray._reconstruct,
    argparse.Namespace,
    collections.defaultdict,
]


def read_file(path: str | Path) -> object:
    """What `torch.save`, safetensors or `numpy.savez` wrote to `path`; nothing in it is executed.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is a web page, truncated, of no known format, or holds what loading would execute.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; pretrained/README.md says where weights come from")
    with path.open("rb") as file:
        start = file.read(64).lstrip()
    if start.startswith(b"<"):
        raise ValueError(f"{path} is a web page, not weights; pretrained/README.md has the right address")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix == ".npz":
        return _read_arrays(path)
    try:
        with torch.serialization.safe_globals(PLAIN):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        words = str(error)
        if "Unsupported" in words or "GLOBAL" in words:
            what = words.split("GLOBAL ")[-1].split(" ")[0] if "GLOBAL " in words else "objects"
            raise ValueError(f"{path} holds more than tensors and plain values ({what})") from None
        raise ValueError(f"{path} is truncated or not a file of weights: download it again") from None
    except (RuntimeError, EOFError, KeyError, OSError, ValueError):
        raise ValueError(f"{path} is truncated or not a file of weights: download it again") from None


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError:
        raise ValueError(f"{path} is truncated or not a file of weights: download it again") from None


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, EOFError, OSError, zipfile.BadZipFile):
        raise ValueError(f"{path} is truncated or holds more than arrays: download it again") from None


def read_weights(path: str | Path, names: Collection[str] = ()) -> dict[str, Tensor]:
    """Named tensors of a file of weights, without what wraps them: see `models.wrapping.network_in`.

    Args:
        names: what the network calls its entries, by which it is found in the file.

    Raises:
        FileNotFoundError, ValueError: as `read_file`; also if the file holds no named tensors.
    """
    return network_in(read_file(path), path, names)[0]


def faults(
    own: Mapping[str, Tensor], weights: Mapping[str, Tensor], *, may_lack: Collection[str] = ()
) -> str:
    """In words, where `weights` do not fit the state dict `own`, with the first names; "" if they fit."""
    lacking = [key for key in own if key not in weights and key not in may_lack]
    spare = [key for key in weights if key not in own]
    reshaped = [key for key in own if key in weights and own[key].shape != weights[key].shape]
    shapes = [f"{key} {tuple(weights[key].shape)} for {tuple(own[key].shape)}" for key in reshaped]
    kinds = {"lacks": lacking, "has, with no place for it,": spare, "has in another shape": shapes}
    words = [f"{kind} {', '.join(keys[:3])} ({len(keys)} in all)" for kind, keys in kinds.items() if keys]
    if words:
        words.append(f"{len(own.keys() & weights.keys()) - len(reshaped)} of {len(own)} entries fit")
    if lacking and spare:
        pairs = (f"{key} ~ {nearest(key, spare, own, weights)}" for key in lacking[:3])
        words.append(f"nearest names, here ~ in the file: {', '.join(pairs)}")
    return "; ".join(words)


def nearest(
    name: str, others: Sequence[str], own: Mapping[str, Tensor], weights: Mapping[str, Tensor]
) -> str:
    """The one of `others` that is most like `name`; entries of the same shape first."""
    alike = [other for other in others if weights[other].shape == own[name].shape] or others
    return get_close_matches(name, alike, n=1, cutoff=0)[0]


def fill(
    module: nn.Module, weights: Mapping[str, Tensor], *, source: str | Path, may_lack: Collection[str] = ()
) -> None:
    """Load `weights` into `module`; every name and shape has to fit, only `may_lack` may be absent.

    Raises:
        ValueError: naming the first entries that do not fit, and what is nearest to them.
    """
    if words := faults(module.state_dict(), weights, may_lack=may_lack):
        raise ValueError(f"{source} is not a file for this network: it {words}")
    module.load_state_dict(weights, strict=False)
