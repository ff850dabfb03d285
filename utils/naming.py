"""Case-insensitive look-up of names, with suggestions for misspelled ones."""

from collections.abc import Iterable
from difflib import get_close_matches

MANY = 20  # names that nobody wants to read all of


def closest(name: str, known: Iterable[str], kind: str) -> str:
    """The entry of `known` that `name` means.

    Raises:
        ValueError: if there is none; the message names the nearest entries.
    """
    names = list(known)
    by_case = {known_name.lower(): known_name for known_name in names}
    if name.lower() in by_case:
        return by_case[name.lower()]
    near = [by_case[match] for match in get_close_matches(name.lower(), by_case, n=2, cutoff=0.5)]
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    elif len(names) > MANY:
        nearest = get_close_matches(name.lower(), by_case, n=5, cutoff=0.0)
        hint = f"the nearest of {len(names)} are {', '.join(by_case[match] for match in nearest)}"
    else:
        hint = f"known: {', '.join(names)}"
    raise ValueError(f"unknown {kind} {name!r}; {hint}")
