#!/usr/bin/env bash
# ALIFE with timm:resnet101 on voc 15-5, overlap: values of ALIFE (its configurations)
# expected: no verified number
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/alife_15-5-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/alife_15-5-overlap' "$@"
