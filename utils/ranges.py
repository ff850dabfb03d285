"""Names for the parts of an iteration, for the profiler; while nobody looks they cost a look at one flag."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from torch.profiler import record_function

_NOTHING = nullcontext()
_shown = False


@contextmanager
def showing() -> Iterator[None]:
    """Inside, ranges have names."""
    global _shown
    _shown = True
    try:
        yield
    finally:
        _shown = False


def named(name: str) -> AbstractContextManager:
    """Context of the part `name` of an iteration."""
    return record_function(name) if _shown else _NOTHING


def each(name: str, items: Iterable) -> Iterator:
    """`items`, the waiting for each of which is the part `name`."""
    iterator, end = iter(items), object()
    while True:
        with named(name):
            item = next(iterator, end)
        if item is end:
            return
        yield item
