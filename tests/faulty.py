"""Worker: run.py with a fault in one process.    python tests/faulty.py FAULT RANK -- arguments of run.py

The fault comes in the third iteration; "nan" is a loss, the others come with the step of the optimizer.
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import train  # noqa: E402
from methods.base import Method  # noqa: E402
from run import main  # noqa: E402

FAULTS = {
    "raise": lambda: (_ for _ in ()).throw(RuntimeError("the disk of this process caught fire")),
    "hang": lambda: (signal.pause(), os._exit(1)),  # till torchrun gives it up
    "die": lambda: os.kill(os.getpid(), 9),
}

if __name__ == "__main__":
    fault, rank = sys.argv[1], int(sys.argv[2])
    if int(os.environ.get("RANK", 0)) == rank:
        calls = [0]

        def third() -> bool:
            """Whether this call is the third."""
            calls[0] += 1
            return calls[0] == 3

        def step(*arguments, real=train.optimizer_step):
            """Fail in the third step."""
            if third():
                FAULTS[fault]()
            return real(*arguments)

        def losses(*arguments, real=Method.losses):
            """The third is nan."""
            factor = float("nan") if third() else 1.0
            return {name: factor * value for name, value in real(*arguments).items()}

        if fault == "nan":
            Method.losses = losses
        else:
            train.optimizer_step = step
    sys.exit(main(sys.argv[4:]))
