#!/usr/bin/env bash
# Python 3.11.7 with numpy 2.3.4, Linux 6.18: the peak memory (ru_maxrss) that is told of a child which does nothing is
# that of its parent.
#
# subprocess starts programs by vfork, so until exec the child lives in the memory of its parent, and the kernel keeps
# the peak of what a process was before exec. Whoever measures commands from a program that holds much itself (a
# benchmark that has imported PyTorch, say) reads at least the parent's size for each of them, for os.wait4 and for
# getrusage(RUSAGE_CHILDREN) alike. A small launcher between both, or VmHWM of /proc/<pid>/status, which begins
# anew with exec, says what the child took.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.3.4
"$folder/venv/bin/python" - <<'PYTHON'
import os
import subprocess
import sys

import numpy as np

NOTHING = [sys.executable, "-S", "-c", "print(open('/proc/self/status').read())"]


def peaks():
    """MiB that the parent is told of a child, and that the child itself has held."""
    child = subprocess.Popen(NOTHING, stdout=subprocess.PIPE, text=True)
    status = child.stdout.read()
    _, _, usage = os.wait4(child.pid, 0)
    own = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return usage.ru_maxrss / 1024, int(own.split()[1]) / 1024


small = peaks()
held = np.ones(500 << 20, np.uint8)
large = peaks()
print(f"Python {sys.version.split()[0]}, {os.uname().sysname} {os.uname().release.split('-')[0]}")
print(f"of a small parent: told {small[0]:.0f} MiB, held {small[1]:.0f} MiB")
print(f"of a parent that holds {held.nbytes >> 20} MiB: told {large[0]:.0f} MiB, held {large[1]:.0f} MiB")
assert small[0] < 120 and small[1] < 60
assert large[0] > 500, "the peak of the parent is no longer told"
assert large[1] < 60, "VmHWM counts the parent now"
PYTHON
echo "seen: a child is said to have held what its parent holds; VmHWM says what it held itself"
