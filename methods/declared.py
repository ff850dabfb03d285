"""What the source of a method declares, so that `--help` need not wait for PyTorch."""

from methods import METHODS, hyper_parameters
from modules.heads import HEADS
from utils.outline import Open, declared_of, is_only_source, outline
from utils.registry import Registry

BASE = "methods.base:Method"


def heads_of(method: str) -> list[str]:
    """The heads that a method can be run on, the one to take unless another is asked for first.

    A method that does not say is for heads that answer for pixels or images; for all of them, if its losses
    are the head's own.
    """
    place, wanted = METHODS.data[method], declared_of(METHODS, method, "heads_supported")
    if is_only_source(place):
        own = outline(place).losses != outline(BASE).losses
    else:
        own = METHODS[method].losses is not Registry({"base": BASE})["base"].losses
    if not wanted and not own:
        return list(HEADS)
    wanted = wanted or ("pixels", "images")
    return [name for name in HEADS if name in wanted or declared_of(HEADS, name, "answers") in wanted]


def declared(name: str) -> dict[str, tuple[type, object, str]]:
    """What `hyper_parameters` says of the method `name`, without importing it where its source is plain.

    Plain are `name: Annotated[bool | float | int | str, "help"] = literal`, here and in the classes of
    `methods/` that it derives from; of any other form the class itself is asked.
    """
    place = METHODS.data[name]
    if is_only_source(place):
        found = hyper_parameters(outline(place))
        if not any(Open in entry for entry in found.values()):
            return found
    return hyper_parameters(METHODS[name])
