#!/usr/bin/env bash
# MiB with resnet101 on voc 19-1, overlap: values of PLOP (PLOP scripts/voc)
# expected: old 71.43, new 23.59, all 69.15, average 73.28 (PLOP images/plop_voc.png; background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/PLOP/mib_19-1.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'PLOP/mib_19-1' "$@"
