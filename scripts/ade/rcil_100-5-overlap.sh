#!/usr/bin/env bash
# RCIL with resnet101 on ade 100-5, overlap: values of RCIL (RCIL scripts/ade)
# expected: old 38.5, new 11.5, all 29.6 (RCIL README and results/*.csv; background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/rcil_100-5-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/rcil_100-5-overlap' "$@"
