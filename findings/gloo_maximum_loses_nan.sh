#!/usr/bin/env bash
# torch 2.13.0: all_reduce with MAX over gloo drops a NaN of every rank but the first; SUM keeps it.
#
# Who reduces a loss or a flag with MAX to see whether any process met NaN is told that none did.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.3.4
cat > "$folder/reduce.py" <<'PYTHON'
import math

import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
seen = {}
for where in (0, 1):
    for name in ("MAX", "SUM"):
        value = torch.tensor([math.nan if rank == where else 1.0])
        dist.all_reduce(value, op=getattr(dist.ReduceOp, name))
        seen[name, where] = value.item()
if rank == 0:
    print(f"torch {torch.__version__}")
    for (name, where), value in seen.items():
        print(f"{name} with NaN on rank {where}: {value}")
    assert math.isnan(seen["SUM", 0]) and math.isnan(seen["SUM", 1]) and math.isnan(seen["MAX", 0])
    assert seen["MAX", 1] == 1.0, "MAX keeps NaN of rank 1 now"
dist.destroy_process_group()
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -m torch.distributed.run --standalone --nproc_per_node 2 "$folder/reduce.py"
echo "seen: MAX over two processes is 1.0 although rank 1 has NaN"
