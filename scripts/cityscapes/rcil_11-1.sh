#!/usr/bin/env bash
# RCIL with resnet101 on cityscapes_domain 11-1, overlap: values of RCIL (RCIL scripts/cityscapesDomain)
# expected: all 63 (RCIL README and results/*.csv; background counts as an old class); EXTRA=--leaky_split for its split
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/cityscapes/rcil_11-1.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'cityscapes/rcil_11-1' "$@"
