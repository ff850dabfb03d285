"""Exit status and error message of the programs: 2 and one line for a mistake, 143 when interrupted."""

import os
import sys
import traceback
from collections.abc import Callable


class Interrupted(Exception):
    """The system asked to stop; the unfinished step is saved."""


def answer(program: str, work: Callable[[], None]) -> int:
    """Do `work` and return the exit status; with CSS_TRACEBACK=1 in the environment errors are raised."""
    try:
        work()
        return 0
    except Interrupted as stop:
        print(f"{stop}; the same command continues there", flush=True)
        return 143
    except (ValueError, OSError, FloatingPointError) as error:
        if os.environ.get("CSS_TRACEBACK"):
            raise
        print(f"{program}: error: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
        return 2
    except Exception as error:  # a bug: print the traceback, and the cause last
        traceback.print_exc()
        cause = f"{type(error).__name__}: {' '.join(str(error).split())}"
        print(f"{program}: failed: {cause}", file=sys.stderr, flush=True)
        return 1
