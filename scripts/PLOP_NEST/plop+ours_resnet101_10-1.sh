#!/usr/bin/env bash
# PLOP+NeST with resnet101 on voc 10-1, overlap: values of RevisitingCSS (RevisitingCSS scripts/PLOP_NEST)
# expected: old 54.2, new 17.8, all 36.9 (NeST's paper as quoted by others; background counts as an old class)
# GPUs: 1 there. Usage: DATA_ROOT=DIR bash ./scripts/PLOP_NEST/plop+ours_resnet101_10-1.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'PLOP_NEST/plop+ours_resnet101_10-1' "$@"
