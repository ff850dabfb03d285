#!/usr/bin/env bash
# PLOP+NeST with resnet101 on voc 15-1, overlap: values of NeST (NeST scripts/voc and scripts/ade)
# expected: old 72.2, new 33.7, all 63.1 (NeST's paper as quoted by others; background counts as an old class)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/NeST/plop+ours_resnet101_15-1.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'NeST/plop+ours_resnet101_15-1' "$@"
