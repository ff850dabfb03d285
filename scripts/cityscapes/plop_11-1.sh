#!/usr/bin/env bash
# PLOP with resnet101 on cityscapes_domain 11-1, overlap: values of PLOP (PLOP scripts/cityscapesDomain)
# expected: all 62.1 (RCIL README; background counts as an old class); EXTRA=--leaky_split for its split
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/cityscapes/plop_11-1.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'cityscapes/plop_11-1' "$@"
