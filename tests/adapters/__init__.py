"""Adapters from golden cases to the project's own functions, one module per area.

An adapter turns the stored inputs of a case into a call of a public function of the project and returns what
it computed under the stored names. It never contains a formula of its own.
"""

from collections.abc import Callable

ADAPTERS: dict[str, Callable] = {}


def adapter(*kinds: str) -> Callable:
    """Register a function `(inputs, params) -> outputs` for golden kinds such as "mib.unce"."""

    def register(function: Callable) -> Callable:
        for kind in kinds:
            assert kind not in ADAPTERS, f"two adapters for {kind}"
            ADAPTERS[kind] = function
        return function

    return register
