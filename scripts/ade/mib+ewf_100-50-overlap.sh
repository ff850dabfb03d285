#!/usr/bin/env bash
# MiB+EWF with resnet101 on ade 100-50, overlap: values of EWF (EWF scripts/ade)
# expected: old 41.2, new 21.3, all 34.6 (EWF's paper as quoted by others; background counts as an old class)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/mib+ewf_100-50-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/mib+ewf_100-50-overlap' "$@"
