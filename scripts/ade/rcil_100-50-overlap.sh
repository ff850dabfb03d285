#!/usr/bin/env bash
# RCIL with resnet101 on ade 100-50, overlap: values of RCIL (RCIL scripts/ade)
# expected: old 42.3, new 18.8, all 34.5 (RCIL README and results/*.csv; background counts as an old class)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/rcil_100-50-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/rcil_100-50-overlap' "$@"
