"""Worker: run.py with a fault in one process.    python tests/faulty.py FAULT RANK -- arguments of run.py"""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import train  # noqa: E402
from run import main  # noqa: E402

FAULTS = {
    "raise": lambda: (_ for _ in ()).throw(RuntimeError("the disk of this process caught fire")),
    "hang": lambda: time.sleep(600),
    "die": lambda: os.kill(os.getpid(), 9),
}

if __name__ == "__main__":
    fault, rank = sys.argv[1], int(sys.argv[2])
    if int(os.environ.get("RANK", 0)) == rank:
        real, calls = train.optimizer_step, [0]

        def step(*arguments):
            """The third optimizer step fails."""
            calls[0] += 1
            if calls[0] == 3:
                FAULTS[fault]()
            return real(*arguments)

        train.optimizer_step = step
    sys.exit(main(sys.argv[4:]))
