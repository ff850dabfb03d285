#!/usr/bin/env bash
# RCIL with resnet101 on voc 15-1, overlap: values of RCIL (RCIL scripts/voc)
# expected: old 70.6, new 23.7, all 59.4, average 69.57 (RCIL README and results/*.csv; background counts as an old class)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/rcil_15-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/rcil_15-1-overlap' "$@"
