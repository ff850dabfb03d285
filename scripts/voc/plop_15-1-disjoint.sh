#!/usr/bin/env bash
# PLOP with resnet101 on voc 15-1, disjoint: values of PLOP (PLOP scripts/voc)
# expected: all 46.5 (RCIL README; background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/plop_15-1-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/plop_15-1-disjoint' "$@"
