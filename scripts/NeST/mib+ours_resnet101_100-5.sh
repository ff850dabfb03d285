#!/usr/bin/env bash
# MiB+NeST with resnet101 on ade 100-5, overlap: values of NeST (NeST scripts/voc and scripts/ade)
# expected: all 32.7 (NeST's paper as quoted by others; background counts as an old class)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/NeST/mib+ours_resnet101_100-5.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'NeST/mib+ours_resnet101_100-5' "$@"
