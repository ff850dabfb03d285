"""The network inside a file of weights: found by its names, whatever is wrapped around it."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

# Parts of names that wrappers of modules put in, anywhere: torch.compile, FSDP, activation checkpointing.
INSERTED = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
# Of a network that a file has twice, the copy to take: what its authors evaluate (DINO the teacher, MoCo the
# query encoder, and whoever keeps moving averages these).
WANTED, UNWANTED = ("ema", "teacher", "encoder_q", "online"), ("student", "encoder_k", "momentum", "target")
# Keys that hold weights, where no names are known to look for.
WRAPPERS = ("model_state", "state_dict", "model", "teacher", "net", "network", "params", "weights")
DEPTH = 3  # of dictionaries in dictionaries


Place = tuple[tuple[str, ...], str]  # the keys that lead to a dictionary, and the prefix of the names in it


def network_in(
    found: object, path: str | Path, names: Collection[str] = ()
) -> tuple[dict[str, Tensor], list[str]]:
    """The named tensors of a network inside `found`, which `path` held, and the names of what lies beside.

    Args:
        found: dictionaries with tensors or numpy arrays somewhere in them.
        names: what the network calls its entries. The dictionary and the prefix (`module.`, `backbone.`,
            `module.encoder_q.`, ...) under which most of them are found are taken off; without names, the
            usual dictionaries and `module.`.

    Raises:
        ValueError: if there are no tensors, or the network is there twice and nobody can know which is meant.
    """
    places = {where: tensors for where, tensors in dictionaries(found) if tensors}
    if not places:
        raise ValueError(f"{path} holds no dictionary of tensors, so no weights")
    where, prefix = best_place(places, set(names), path) or usual_place(places)
    weights = places[where]
    beside = [key for key in weights if not key.startswith(prefix)]
    for depth in range(len(where)):
        beside += [str(key) for key in inside(found, where[:depth]) if key != where[depth]]
    return {key.removeprefix(prefix): v for key, v in weights.items() if key.startswith(prefix)}, beside


def dictionaries(
    found: object, where: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], dict[str, Tensor]]]:
    """Every dictionary in `found`: the keys that lead there, and its tensors by name."""
    if not isinstance(found, Mapping) or len(where) > DEPTH:
        return
    tensors = {clean(key): tensor(value) for key, value in found.items() if is_tensor(value)}
    yield where, tensors if len(tensors) > len(found) // 2 else {}
    for key, value in found.items():
        yield from dictionaries(value, (*where, key))


def inside(found: Mapping, where: tuple[str, ...]) -> Mapping:
    """The dictionary that the keys `where` lead to."""
    for key in where:
        found = found[key]
    return found


def is_tensor(value: object) -> bool:
    """Whether `value` is a tensor, or a numpy array that can be one."""
    return torch.is_tensor(value) or (isinstance(value, np.ndarray) and value.dtype.kind in "biuf")


def tensor(value: Tensor | np.ndarray) -> Tensor:
    """`value` as a tensor."""
    return value if torch.is_tensor(value) else torch.from_numpy(np.array(value))


def clean(name: object) -> str:
    """An entry's name without what wrappers put into it."""
    name = str(name)
    for part in INSERTED:
        name = name.replace(part, "")
    return name


def best_place(
    places: Mapping[tuple[str, ...], Mapping[str, Tensor]], names: Collection[str], path: str | Path
) -> Place | None:
    """The keys of the dictionary and the prefix under which most of `names` are; None if no name is found.

    Raises:
        ValueError: if two places are equally good.
    """
    fits: Counter[Place] = Counter()
    for where, tensors in places.items():
        for key in tensors:
            for prefix in prefixes(key):
                if key.removeprefix(prefix) in names:
                    fits[where, prefix] += 1
    if not fits:
        return None
    most = max(fits.values())
    ranked = sorted((-liking(place), place) for place, count in fits.items() if count == most)
    if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
        first, second = (label(place) for _, place in ranked[:2])
        raise ValueError(
            f"{path} holds the network under {first} and under {second}: save the one you mean in a file of "
            "its own (torch.load, torch.save)"
        )
    return ranked[0][1]


def prefixes(name: str) -> list[str]:
    """What may stand before a name: of a.b.weight "", "a." and "a.b."."""
    parts = name.split(".")
    return ["".join(f"{part}." for part in parts[:count]) for count in range(len(parts))]


def label(place: Place) -> str:
    """A place in words."""
    return " / ".join([*map(str, place[0]), *([place[1]] if place[1] else [])]) or "its own names"


def liking(place: Place) -> int:
    """Which of two copies of a network is rather meant."""
    words = label(place).lower()
    return any(word in words for word in WANTED) - any(word in words for word in UNWANTED)


def usual_place(places: Mapping[tuple[str, ...], Mapping[str, Tensor]]) -> Place:
    """Where weights mostly are: under a usual key, or on top; with `module.` before the names or without."""
    known = [where for where in places if all(key in WRAPPERS for key in where)]
    where = min(known or places, key=lambda keys: (len(keys) == 0, [rank(key) for key in keys]))
    return where, "module." if all(key.startswith("module.") for key in places[where]) else ""


def rank(key: str) -> int:
    """Place of a usual key in their order."""
    return WRAPPERS.index(key) if key in WRAPPERS else len(WRAPPERS)
