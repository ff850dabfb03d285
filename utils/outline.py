"""Classes as their source declares them, without importing it: names and values need no PyTorch (seconds)."""

import ast
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from utils.registry import Registry

ROOMS = ("dataset.", "methods.", "models.", "modules.")  # where parts and what they derive from stand
KINDS = {"bool": bool, "float": float, "int": int, "str": str}


class Open:
    """Stands for a kind or a value that only running the code can tell."""


def declared_of(parts: Registry, name: str, attribute: str) -> object:
    """The class attribute of a part, from the source where it is plain there."""
    place = parts.data[name]
    found = getattr(outline(place), attribute, Open) if is_only_source(place) else Open
    return getattr(parts[name], attribute) if found is Open else found


def is_only_source(place: object) -> bool:
    """Whether a registry has a place that nobody has imported yet."""
    return isinstance(place, str) and place.partition(":")[0] not in sys.modules


@cache
def outline(place: str) -> type:
    """A class with the annotations and plain values of the class at `place`, and outlines as its bases."""
    module, _, name = place.partition(":")
    file = Path(find_spec(module).origin)
    homes, nodes = {}, {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(ROOMS):
            homes |= {alias.asname or alias.name: f"{node.module}:{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ClassDef):
            nodes[node.name] = node
            homes[node.name] = f"{module}:{node.name}"
    named = [base.id for base in nodes[name].bases if isinstance(base, ast.Name)]
    bases = tuple(outline(homes[base]) for base in named if base in homes)
    body = {"__annotations__": {}}
    for node in nodes[name].body:
        if isinstance(node, ast.AnnAssign):
            body["__annotations__"][node.target.id] = _annotation(node.annotation)
            body |= {node.target.id: _value(node.value)} if node.value else {}
        elif isinstance(node, ast.Assign):
            body |= {one.id: _value(node.value) for one in node.targets if isinstance(one, ast.Name)}
        elif isinstance(node, ast.FunctionDef):  # which class it is of tells whether it is overridden
            body[node.name] = Open if node.decorator_list else f"{place}.{node.name}"
    return type(name, bases, body)


def _annotation(node: ast.expr) -> object:
    """`Annotated[kind, help]` if it is that; `object` for others, which are no hyper-parameters."""
    if not (isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Annotated"):
        return object
    kind, text = node.slice.elts
    return Annotated[KINDS.get(ast.unparse(kind), Open), _value(text)]


def _value(node: ast.expr) -> object:
    """The literal that `node` is."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return Open
