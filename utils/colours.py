"""Colours, where a person looks at a terminal and did not say NO_COLOR (no-color.org)."""

import os
import re
import sys
from typing import TextIO

BOLD, RED, YELLOW, CYAN = "1", "1;31", "33", "36"


def coloured(stream: TextIO) -> bool:
    """Whether `stream` is a terminal that shows colours to somebody who wants them."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and stream.isatty()


def paint(text: str, colour: str, stream: TextIO) -> str:
    """`text` in one of the colours above, if `stream` shows them."""
    return f"\x1b[{colour}m{text}\x1b[0m" if coloured(stream) else text


def with_headings(text: str) -> str:
    """A help text for stdout: headings bold, flags at the beginning of a line coloured."""
    text = re.sub(r"^\S.*:$", lambda found: paint(found[0], BOLD, sys.stdout), text, flags=re.MULTILINE)
    return re.sub(r"^( +)(--?\w[\w-]*)", lambda found: found[1] + paint(found[2], CYAN, sys.stdout), text,
                  flags=re.MULTILINE)  # fmt: skip


def with_warning(text: str) -> str:
    """A line for stdout, whose "warning:" or "note:" stands out."""
    return re.sub(r"^(warning|note):", lambda found: paint(found[0], YELLOW, sys.stdout), text)
