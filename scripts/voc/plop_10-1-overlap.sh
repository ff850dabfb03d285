#!/usr/bin/env bash
# PLOP with resnet101 on voc 10-1, overlap: values of PLOP (PLOP scripts/voc)
# expected: old 44.03, new 15.51, all 30.45, average 52.32 (PLOP images/plop_voc.png; background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/plop_10-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/plop_10-1-overlap' "$@"
