#!/usr/bin/env bash
# torch 2.14.1, Python 3.11.7, Linux: a data set that holds 300 tensors is loaded by worker processes that are forked or
# spawned, and fails with "too many fds" where they come from a fork server.
#
# A tensor that goes to another process travels as a file descriptor. The fork server hands at most 256 of them to a child
# that it starts, and a process object takes some itself, so how many tensors a data set may consist of depends on the start
# method. The fork server is Python's own choice on Linux from 3.14 on: what worked there by default stops working. One
# tensor in place of a list of them, or multiprocessing_context="fork", works everywhere on Linux.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 numpy==2.3.4
cat > "$folder/program.py" <<'PYTHON'
import sys

import torch
from torch.utils.data import DataLoader, Dataset


class Images(Dataset):
    """Images of different sizes, one tensor each."""

    def __init__(self, count):
        self.images = [torch.full((3, 8, 8 + k % 5), k % 256, dtype=torch.uint8) for k in range(count)]

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index]


def loaded(count, method):
    """How many images come out of a loader with one worker, or what it says."""
    loader = DataLoader(Images(count), batch_size=None, num_workers=1, multiprocessing_context=method)
    try:
        return sum(1 for _ in loader)
    except ValueError as error:
        return str(error)


if __name__ == "__main__":
    print(f"torch {torch.__version__}, Python {sys.version.split()[0]}")
    for count in (100, 300):
        found = {method: loaded(count, method) for method in ("fork", "spawn", "forkserver")}
        print(f"{count} tensors: {found}")
    assert (found["fork"], found["spawn"]) == (300, 300), "another way of starting workers fails, too"
    assert found["forkserver"] == "too many fds", "the fork server takes 300 tensors now"
PYTHON
"$folder/venv/bin/python" "$folder/program.py"
echo "seen: 300 tensors reach workers that are forked or spawned, and none that a fork server starts"
