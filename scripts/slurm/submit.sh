#!/usr/bin/env bash
# Runs published rows under SLURM:   DATA_ROOT=DIR bash scripts/slurm/submit.sh RECIPE[,RECIPE...] NODES GPUS_PER_NODE
#
# JOB_PYTHON="apptainer exec --nv css.sif python" runs the jobs in a container, see scripts/slurm/README.md.
# --dry-run prints the jobs instead of submitting them. EXTRA goes to run.py; SBATCH_PARTITION, SBATCH_TIMELIMIT,
# SBATCH_ACCOUNT and so on are read by sbatch itself. A job that is preempted or at its time limit saves its step, goes
# back into the queue and continues there.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
python=${PYTHON:-python}
[ -n "${PYTHON:-}" ] || [ ! -x .venv/bin/python ] || python=.venv/bin/python
exec "$python" -m scripts.slurm.jobs "$@"
