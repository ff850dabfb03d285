"""Files that are written whole or not at all."""

import os
from pathlib import Path


def write_text(path: Path | str, text: str) -> Path:
    """Replace `path` by `text` in UTF-8; otherwise as `write_bytes`."""
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path | str, data: bytes) -> Path:
    """Replace `path` by `data` atomically (temporary file beside it, fsync, rename); makes its folder.

    Raises:
        OSError: if it cannot be written; what was at `path` is untouched then.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path
