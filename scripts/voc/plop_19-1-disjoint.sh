#!/usr/bin/env bash
# PLOP with resnet101 on voc 19-1, disjoint: values of PLOP (PLOP scripts/voc)
# expected: old 75.1, new 38.2, all 73.2 (UCD image/result1.png (its re-run); background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/plop_19-1-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/plop_19-1-disjoint' "$@"
