#!/usr/bin/env bash
# DKD with timm:resnet101 on voc 10-1, overlap: values of DKD (DKD README and config)
# expected: all 60.43 (DKD README: torchvision's ResNet-101, crop 512, future classes background; background counts as an old class)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/dkd_10-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/dkd_10-1-overlap' "$@"
