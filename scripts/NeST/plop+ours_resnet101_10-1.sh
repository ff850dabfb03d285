#!/usr/bin/env bash
# PLOP+NeST with resnet101 on voc 10-1, overlap: values of NeST (NeST scripts/voc and scripts/ade)
# expected: old 54.2, new 17.8, all 36.9 (NeST's paper as quoted by others; background counts as an old class)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/NeST/plop+ours_resnet101_10-1.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'NeST/plop+ours_resnet101_10-1' "$@"
