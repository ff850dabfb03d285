#!/usr/bin/env bash
# RCIL with resnet101 on voc 10-1, disjoint: values of RCIL (RCIL scripts/voc)
# expected: all 18.2 (RCIL README and results/*.csv; background counts as an old class)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/rcil_10-1-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/rcil_10-1-disjoint' "$@"
