"""`--compile` and `--tf32`: what PyTorch can do faster with the same code, if asked."""

from collections.abc import Callable
from functools import lru_cache, wraps

import torch

_backend: str | Callable = ""  # of torch.compile; "" while nothing is compiled


def use_compiled(backend: str | Callable = "inductor") -> None:
    """From here on, run what is `compilable` compiled by `backend`, in this process; "" ends it."""
    global _backend
    _backend = backend
    # Every step of a task has other shapes, for which the same functions are compiled again.
    torch._dynamo.config.recompile_limit = max(64, torch._dynamo.config.recompile_limit)


def compiling() -> bool:
    """Whether `use_compiled` was called."""
    return _backend != ""


def compilable(function: Callable) -> Callable:
    """`function`, compiled while `use_compiled` says so: once for all shapes that a step has."""

    @lru_cache
    def compiled(backend):
        return torch.compile(function, backend=backend, dynamic=False)

    @wraps(function)
    def run(*args, **options):
        return (compiled(_backend) if compiling() else function)(*args, **options)

    return run


def compile_network(method) -> None:
    """Compile a method's network, and its teacher's, if anything is; state dicts stay as they are."""
    if compiling():
        for net in filter(None, (method.net, method.teacher)):
            net.compile(backend=_backend, dynamic=False)


def allow_tf32(allowed: bool) -> None:
    """Whether GPUs may compute float32 products with 10 bits of mantissa; PyTorch's own default is both."""
    precision = "tf32" if allowed else "ieee"
    torch.backends.cuda.matmul.fp32_precision = precision
    torch.backends.cudnn.conv.fp32_precision = precision
