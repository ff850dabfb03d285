"""Parts by name, each imported when it is first asked for: names alone cost no import of PyTorch."""

from collections import UserDict
from collections.abc import Mapping
from importlib import import_module


class Registry(UserDict):
    """A dict of parts, written as `{name: "module:attribute"}`; looked up, a place becomes what stands there.

    Names can be listed, and new parts (themselves, not their places) be put in, as in any dict.
    """

    def __init__(self, places: Mapping[str, str]):
        super().__init__(places)

    def __getitem__(self, name: str):
        part = self.data[name]
        if isinstance(part, str):
            module, _, attribute = part.partition(":")
            part = self.data[name] = getattr(import_module(module), attribute)
        return part
