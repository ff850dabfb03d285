"""Memory that this process has freed, and its C library keeps."""

import ctypes
import sys


def give_back() -> None:
    """Return freed memory to the system; glibc keeps what lies below a block that is in use.

    To list a million images takes for a moment as much again as they hold, and every process of a node would
    keep that.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
