"""Exit status and error line of the programs: 2 and one line for a mistake, 143 or 130 when interrupted."""

import os
import signal
import sys
import traceback
from collections.abc import Callable

from utils.colours import RED, paint


class Interrupted(Exception):
    """The system asked to stop; the unfinished step is saved."""


class PeerLost(Exception):
    """Another process of this run has failed; the text, if there is one, is for the user."""


def say_stopping(number: int) -> None:
    """Answer the signal `number` at once, though the batch must end before the run can save and stop.

    Called by a signal handler, hence no `print`, which may be what the signal has interrupted.
    """
    name = signal.Signals(number).name
    os.write(2, f"\n{name}: stopping after this batch, once it is saved\n".encode())


def answer(program: str, work: Callable[[], None]) -> int:
    """Do `work` and return the exit status; with CSS_TRACEBACK=1 in the environment errors are raised."""
    try:
        work()
        sys.stdout.flush()
        return 0
    except Interrupted as stop:
        print(f"{stop}; the same command continues there", flush=True)
        return 143
    except KeyboardInterrupt:
        print(f"{program}: interrupted; what was finished is kept", file=sys.stderr, flush=True)
        return 130
    except PeerLost as lost:
        if str(lost):
            print(f"{program}: {lost}", file=sys.stderr, flush=True)
        return 1
    except (ValueError, OSError, FloatingPointError) as error:
        if isinstance(error, BrokenPipeError) and reader_is_gone():
            return 128 + signal.SIGPIPE
        if os.environ.get("CSS_TRACEBACK"):
            raise
        begin = paint(f"{program}: error:", RED, sys.stderr)
        print(f"{begin} {' '.join(str(error).split())}", file=sys.stderr, flush=True)
        return 2
    except ModuleNotFoundError as error:
        print(f"{program}: error: {without(error)}", file=sys.stderr, flush=True)
        return 2
    except Exception as error:  # a bug: print the traceback, and the cause last
        traceback.print_exc()
        cause = f"{type(error).__name__}: {' '.join(str(error).split())}"
        print(f"{program}: failed: {cause}", file=sys.stderr, flush=True)
        return 1


def reader_is_gone() -> bool:
    """Whether nobody reads any more what this program prints, as after `| head`; then nothing more is."""
    try:
        print(flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def without(missing: ModuleNotFoundError) -> str:
    """What to do about a package that this Python has not."""
    cure = "source .venv/bin/activate after bash scripts/demo.sh, or pip install -r requirements.txt"
    return f"this Python has no {missing.name}: {cure}"
