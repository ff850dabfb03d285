#!/usr/bin/env bash
# PLOP+EWF with resnet101 on voc 5-3, overlap: values of EWF (EWF scripts/voc)
# expected: old 61.7, new 42.2, all 47.7 (EWF's paper as quoted by others; background counts as an old class)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/plop+ewf_5-3-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/plop+ewf_5-3-overlap' "$@"
