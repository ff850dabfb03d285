#!/usr/bin/env bash
# PLOP with resnet101 on voc 10-1, disjoint: values of PLOP (PLOP scripts/voc)
# expected: all 8.4 (RCIL README; background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/plop_10-1-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/plop_10-1-disjoint' "$@"
