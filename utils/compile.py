"""`--compile` and `--tf32`: PyTorch's compiler and fast float32 products."""

from collections.abc import Callable
from functools import lru_cache, wraps

import torch

from utils.ranges import named

_backend: str | Callable = ""  # of torch.compile; "" while nothing is compiled


def use_compiled(backend: str | Callable = "inductor") -> None:
    """Compile `compilable` functions with `backend` from now on, in this process; "" turns it off."""
    global _backend
    _backend = backend
    if backend:  # else torch._dynamo is not touched, which to import takes as long as all of PyTorch
        # Each step of a task has its own shapes, for which the same functions are compiled again.
        torch._dynamo.config.recompile_limit = max(64, torch._dynamo.config.recompile_limit)


def compiling() -> bool:
    """Whether compilation is turned on."""
    return _backend != ""


def compilable(function: Callable) -> Callable:
    """Decorator: compile `function` for each new shape while compilation is turned on."""

    @lru_cache
    def compiled(backend):
        return torch.compile(function, backend=backend, dynamic=False)

    @wraps(function)
    def run(*args, **options):
        with named(f"loss: {function.__name__}"):
            return (compiled(_backend) if compiling() else function)(*args, **options)

    return run


def compile_network(method) -> None:
    """Compile student and teacher of a method if compilation is turned on; state dicts do not change."""
    if compiling():
        for net in filter(None, (method.net, method.teacher)):
            net.compile(backend=_backend, dynamic=False)


def allow_tf32(allowed: bool) -> None:
    """Allow or forbid TF32 in matrix products and convolutions; PyTorch's default: in the latter."""
    precision = "tf32" if allowed else "ieee"
    torch.backends.cuda.matmul.fp32_precision = precision
    torch.backends.cudnn.conv.fp32_precision = precision
