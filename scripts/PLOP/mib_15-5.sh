#!/usr/bin/env bash
# MiB with resnet101 on voc 15-5, overlap: values of PLOP (PLOP scripts/voc)
# expected: old 76.37, new 49.97, all 70.08, average 75.12 (PLOP images/plop_voc.png; background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/PLOP/mib_15-5.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'PLOP/mib_15-5' "$@"
