#!/usr/bin/env bash
# DKD with timm:resnet101 on voc 15-5, disjoint: values of DKD (DKD README and config)
# expected: all 72.21 (DKD README: torchvision's ResNet-101, crop 512, future classes background; background counts as an old class)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/dkd_15-5-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/dkd_15-5-disjoint' "$@"
