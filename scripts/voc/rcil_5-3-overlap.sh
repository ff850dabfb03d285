#!/usr/bin/env bash
# RCIL with resnet101 on voc 5-3, overlap: values of RCIL (RCIL scripts/voc)
# expected: all 42.88 (RCIL README and results/*.csv; background counts as an old class)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/rcil_5-3-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/rcil_5-3-overlap' "$@"
