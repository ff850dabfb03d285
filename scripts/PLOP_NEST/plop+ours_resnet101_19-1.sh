#!/usr/bin/env bash
# PLOP+NeST with resnet101 on voc 19-1, overlap: values of RevisitingCSS (RevisitingCSS scripts/PLOP_NEST)
# expected: old 77, new 49.1, all 75.7 (NeST's paper as quoted by others; background counts as an old class)
# GPUs: 1 there. Usage: DATA_ROOT=DIR bash ./scripts/PLOP_NEST/plop+ours_resnet101_19-1.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'PLOP_NEST/plop+ours_resnet101_19-1' "$@"
