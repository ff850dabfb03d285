#!/usr/bin/env bash
# MiB with resnet101 on voc 15-1, overlap: values of PLOP (PLOP scripts/voc)
# expected: old 34.22, new 13.5, all 29.29, average 54.19 (PLOP images/plop_voc.png; background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/PLOP/mib_15-1.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'PLOP/mib_15-1' "$@"
