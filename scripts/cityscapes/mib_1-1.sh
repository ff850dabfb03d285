#!/usr/bin/env bash
# LWF with resnet101 on cityscapes_domain 1-1, overlap: values of PLOP (PLOP scripts/cityscapesDomain)
# expected: all 42.2 (RCIL README; background counts as an old class); EXTRA=--leaky_split for its split
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/cityscapes/mib_1-1.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'cityscapes/mib_1-1' "$@"
