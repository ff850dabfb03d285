"""What the processor can do, as Linux says it; nothing is imported for it."""

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
BF16 = {"avx512_bf16", "amx_bf16", "bf16"}  # the last one as ARM calls it


def lacks_bf16() -> bool:
    """Whether the processor is known to multiply no bfloat16 numbers; False where nobody says."""
    if not CPUINFO.is_file():
        return False
    for line in CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, words = line.partition(":")
        if key.strip().lower() in ("flags", "features"):
            return not BF16 & set(words.split())
    return False
