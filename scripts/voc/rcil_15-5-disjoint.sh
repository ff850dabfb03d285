#!/usr/bin/env bash
# RCIL with resnet101 on voc 15-5, disjoint: values of RCIL (RCIL scripts/voc)
# expected: old 75, new 42.8, all 67.3 (RCIL README and results/*.csv; background counts as an old class)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/rcil_15-5-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/rcil_15-5-disjoint' "$@"
