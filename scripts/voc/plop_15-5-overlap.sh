#!/usr/bin/env bash
# PLOP with resnet101 on voc 15-5, overlap: values of PLOP (PLOP scripts/voc)
# expected: old 75.73, new 51.71, all 70.09, average 75.19 (PLOP images/plop_voc.png; background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/plop_15-5-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/plop_15-5-overlap' "$@"
