"""Memory that is given back to the system."""

import os
from pathlib import Path

from utils import heap

STATM = Path("/proc/self/statm")


def resident() -> int:
    """Bytes of this process in memory (Linux; 0 elsewhere)."""
    return os.sysconf("SC_PAGE_SIZE") * int(STATM.read_text().split()[1]) if STATM.is_file() else 0


def test_freed_memory_below_a_block_in_use_goes_back_to_the_system():
    before = resident()
    blocks = [bytes(1000) for _ in range(100_000)]
    last = blocks[-1]
    del blocks
    kept = resident() - before
    heap.give_back()
    assert last is not None and resident() - before < max(20e6, kept / 2)
