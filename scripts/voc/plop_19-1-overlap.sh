#!/usr/bin/env bash
# PLOP with resnet101 on voc 19-1, overlap: values of PLOP (PLOP scripts/voc)
# expected: old 75.35, new 37.35, all 73.54, average 75.47 (PLOP images/plop_voc.png; background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/plop_19-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/plop_19-1-overlap' "$@"
