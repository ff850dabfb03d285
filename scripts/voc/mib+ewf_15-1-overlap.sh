#!/usr/bin/env bash
# MiB+EWF with resnet101 on voc 15-1, overlap: values of EWF (EWF scripts/voc)
# expected: old 77.7, new 32.7, all 67 (EWF's paper as quoted by others; background counts as an old class)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/mib+ewf_15-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/mib+ewf_15-1-overlap' "$@"
