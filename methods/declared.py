"""Hyper-parameters as the source of a method declares them, so that `--help` need not wait for PyTorch."""

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from methods import METHODS, hyper_parameters

KINDS = {"bool": bool, "float": float, "int": int, "str": str}


class _Open:
    """Stands for a kind or a value that only running the code can tell."""


def declared(name: str) -> dict[str, tuple[type, object, str]]:
    """What `hyper_parameters` says of the method `name`, without importing it where its source is plain.

    Plain are `name: Annotated[bool | float | int | str, "help"] = literal`, here and in the classes of
    `methods/` that it derives from; of any other form the class itself is asked.
    """
    place = METHODS.data[name]
    if isinstance(place, str):
        found = hyper_parameters(_outline(*place.split(":")))
        if not any(_Open in entry for entry in found.values()):
            return found
    return hyper_parameters(METHODS[name])


@cache
def _outline(module: str, name: str) -> type:
    """A class with the annotations and plain values of the class `name`, and outlines as its bases."""
    file = Path(find_spec(module).origin)
    homes, nodes = {}, {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("methods."):
            homes |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.ClassDef):
            nodes[node.name] = node
            homes[node.name] = module, node.name
    named = [base.id for base in nodes[name].bases if isinstance(base, ast.Name)]
    bases = tuple(_outline(*homes[base]) for base in named if base in homes)
    body = {"__annotations__": {}}
    for node in nodes[name].body:
        if isinstance(node, ast.AnnAssign):
            body["__annotations__"][node.target.id] = _annotation(node.annotation)
            body |= {node.target.id: _value(node.value)} if node.value else {}
        elif isinstance(node, ast.Assign):
            body |= {one.id: _value(node.value) for one in node.targets if isinstance(one, ast.Name)}
    return type(name, bases, body)


def _annotation(node: ast.expr) -> object:
    """`Annotated[kind, help]` if it is that; `object` for others, which are no hyper-parameters."""
    if not (isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Annotated"):
        return object
    kind, text = node.slice.elts
    return Annotated[KINDS.get(ast.unparse(kind), _Open), _value(text)]


def _value(node: ast.expr) -> object:
    """The literal that `node` is."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return _Open
