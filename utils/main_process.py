"""Which process speaks and writes, without PyTorch: where nothing has imported it, there is but one."""

import sys


def is_main() -> bool:
    """Whether this process prints and writes files."""
    distributed = sys.modules.get("utils.distributed")
    return distributed is None or distributed.is_main()


def of_main(value):
    """`value` of the first process on every process."""
    distributed = sys.modules.get("utils.distributed")
    return value if distributed is None else distributed.broadcast_object(value)
