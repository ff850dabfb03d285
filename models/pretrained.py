"""Files of weights: read safely, told apart from what is not one, fitted to a module by name."""

import argparse
import collections
import pickle
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

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
# Keys under which published files hold the weights.
WRAPPERS = ("model_state", "state_dict", "model", "teacher")


def read_file(path: str | Path) -> object:
    """What `torch.save` or safetensors wrote to `path`: tensors and plain values, nothing executed.

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


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Named tensors of a file of weights, without what wraps them (`model`, `state_dict`) and `module.`.

    Raises:
        FileNotFoundError, ValueError: as `read_file`; also if the file holds no named tensors.
    """
    return unwrap(read_file(path), path)[0]


def unwrap(found: object, path: str | Path) -> tuple[dict[str, Tensor], list[str]]:
    """The named tensors inside `found`, which `path` held, and the names of what lies beside them.

    Raises:
        ValueError: if there are none.
    """
    beside = []
    for wrapper in WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            beside = [str(key) for key in found if key != wrapper]
            found = found[wrapper]
            break
    if not isinstance(found, Mapping) or not found or not all(torch.is_tensor(v) for v in found.values()):
        raise ValueError(f"{path} holds no dictionary of tensors, so no weights")
    return {key.removeprefix("module."): value for key, value in found.items()}, beside


def faults(
    own: Mapping[str, Tensor], weights: Mapping[str, Tensor], *, may_lack: Collection[str] = ()
) -> str:
    """In words, where `weights` do not fit the state dict `own`, with the first names; "" if they fit."""
    kinds = {
        "lacks": [key for key in own if key not in weights and key not in may_lack],
        "has, with no place for it,": [key for key in weights if key not in own],
        "has in another shape": [
            f"{key} {tuple(weights[key].shape)} for {tuple(own[key].shape)}"
            for key in own
            if key in weights and own[key].shape != weights[key].shape
        ],
    }
    return "; ".join(
        f"{kind} {', '.join(keys[:3])} ({len(keys)} in all)" for kind, keys in kinds.items() if keys
    )


def fill(
    module: nn.Module, weights: Mapping[str, Tensor], *, source: str | Path, may_lack: Collection[str] = ()
) -> None:
    """Load `weights` into `module`; every name and shape has to fit, only `may_lack` may be absent.

    Raises:
        ValueError: naming the first entries that do not fit.
    """
    if words := faults(module.state_dict(), weights, may_lack=may_lack):
        raise ValueError(f"{source} is not a file for this network: it {words}")
    module.load_state_dict(weights, strict=False)
