#!/usr/bin/env bash
# PLOP+NeST with resnet101 on ade 100-10, overlap: values of RevisitingCSS (RevisitingCSS scripts/PLOP_NEST)
# expected: all 34.7 (NeST's paper as quoted by others; background counts as an old class)
# GPUs: 1 there. Usage: DATA_ROOT=DIR bash ./scripts/PLOP_NEST/plop+ours_resnet101_100-10.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'PLOP_NEST/plop+ours_resnet101_100-10' "$@"
