#!/usr/bin/env bash
# PLOP with resnet101 on voc 15-1, overlap: values of PLOP (PLOP scripts/voc)
# expected: old 65.12, new 21.11, all 54.64, average 67.21 (PLOP images/plop_voc.png; background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/plop_15-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/plop_15-1-overlap' "$@"
