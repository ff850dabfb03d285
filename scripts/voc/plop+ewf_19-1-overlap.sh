#!/usr/bin/env bash
# PLOP+EWF with resnet101 on voc 19-1, overlap: values of EWF (EWF scripts/voc)
# expected: old 77.9, new 6.7, all 74.5 (EWF's paper as quoted by others; background counts as an old class)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/plop+ewf_19-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/plop+ewf_19-1-overlap' "$@"
