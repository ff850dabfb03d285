#!/usr/bin/env bash
# RCIL with resnet101 on voc 10-1, overlap: values of RCIL (RCIL scripts/voc)
# expected: old 50.25, new 16.4, all 34.13, average 57.52 (RCIL README and results/*.csv; background counts as an old class)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/rcil_10-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/rcil_10-1-overlap' "$@"
