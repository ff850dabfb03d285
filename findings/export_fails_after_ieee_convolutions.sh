#!/usr/bin/env bash
# torch 2.14.1: whoever asks for full float32 in convolutions the new way can no longer export any module.
#
# Each of the documented settings of torch.backends ending in `fp32_precision = "ieee"` leaves an older, hidden flag
# as it was. From then on reading cudnn.allow_tf32 raises that "a mix of the legacy and new APIs" was used, also if
# the new one alone was, and if convolutions and recurrent layers are set alike. torch.export and the context
# cudnn.flags() read it inside, so they raise for a linear layer on a machine without a GPU too. The older
# `cudnn.allow_tf32 = False` does not have the trouble, and ends it when it is set last.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 numpy==2.3.4
cat > "$folder/set_and_export.py" <<'PYTHON'
import sys

import torch
from torch.backends import cudnn


def read():
    return cudnn.allow_tf32


def context():
    with cudnn.flags(enabled=True):
        pass


def export():
    torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),))


def outcome(action):
    try:
        action()
    except RuntimeError as error:
        assert "mix of the legacy and new APIs" in str(error), error
        return "RuntimeError"
    return "works"


setting, wanted = sys.argv[1:]
exec(setting)
seen = {action.__name__: outcome(action) for action in (read, context, export)}
print(f"torch {torch.__version__}: {setting}")
print(f"  all {cudnn.fp32_precision}, conv {cudnn.conv.fp32_precision}, rnn {cudnn.rnn.fp32_precision}: {seen}")
assert set(seen.values()) == {wanted}, f"not {wanted} in all three now"
PYTHON
check() { "$folder/venv/bin/python" "$folder/set_and_export.py" "$@"; }
check 'pass' works
check 'torch.backends.fp32_precision = "ieee"' RuntimeError
check 'cudnn.fp32_precision = "ieee"' RuntimeError
check 'cudnn.conv.fp32_precision = "ieee"' RuntimeError
check 'cudnn.conv.fp32_precision = cudnn.rnn.fp32_precision = "ieee"' RuntimeError
check 'cudnn.allow_tf32 = False' works
check 'cudnn.conv.fp32_precision = "ieee"; cudnn.allow_tf32 = False' works
echo "seen: with the new settings alone, reading cudnn.allow_tf32, cudnn.flags() and torch.export raise"
