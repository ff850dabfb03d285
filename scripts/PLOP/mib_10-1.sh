#!/usr/bin/env bash
# MiB with resnet101 on voc 10-1, overlap: values of PLOP (PLOP scripts/voc)
# expected: old 12.2, new 13.1, all 12.6 (PLOP images/plop_voc.png; background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/PLOP/mib_10-1.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'PLOP/mib_10-1' "$@"
