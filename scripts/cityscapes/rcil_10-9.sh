#!/usr/bin/env bash
# RCIL with resnet101 on cityscape 10-9, overlap: values of RCIL (RCIL cityscapeClL/dev (which does not run))
# expected: no verified number
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/cityscapes/rcil_10-9.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'cityscapes/rcil_10-9' "$@"
