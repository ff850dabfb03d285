#!/usr/bin/env bash
# All steps of a published row:  DATA_ROOT=DIR [EXTRA="flags"] bash scripts/run_steps.sh RECIPE GPU_IDS NB_GPU
#
# GPU_IDS is 0, or 0,1,..., or cpu; NB_GPU is the number of processes: 1 is plain python, more is torchrun.
# EXTRA goes to run.py, for example EXTRA="--accumulate 2 --no_share"; PYTHON names the interpreter.
# Called again after an interruption, it continues where it stopped.
set -euo pipefail

if [ $# -ne 3 ]; then
    echo "usage: DATA_ROOT=DIR bash scripts/${1:-RECIPE}.sh GPU_IDS NB_GPU      for example: 0,1 2   or: cpu 1" >&2
    exit 2
fi
recipe=$1 gpus=$2 count=$3
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ -z "${DATA_ROOT:-}" ]; then
    echo "DATA_ROOT is not set: give the folder of the data set, DATA_ROOT=DIR bash scripts/$recipe.sh $gpus $count" >&2
    exit 2
fi
if [ "$gpus" = cpu ]; then
    gpus=
elif [ "$(tr ',' '\n' <<< "$gpus" | wc -l)" -ne "$count" ]; then
    echo "GPU_IDS $gpus does not name $count GPUs" >&2
    exit 2
fi
if [ -z "${PYTHON:-}" ]; then
    PYTHON=python
    [ ! -x "$root/.venv/bin/python" ] || PYTHON=$root/.venv/bin/python
fi
launch=("$PYTHON")
[ "$count" -eq 1 ] || launch+=(-m torch.distributed.run --standalone --nproc_per_node "$count")
read -ra extra <<< "${EXTRA:-}"

# exec: a signal for this script reaches run.py itself, which then saves the unfinished step.
export CUDA_VISIBLE_DEVICES=$gpus
exec "${launch[@]}" "$root/run.py" --recipe "$recipe" --data_root "$DATA_ROOT" ${extra[@]+"${extra[@]}"}
