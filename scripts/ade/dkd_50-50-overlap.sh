#!/usr/bin/env bash
# DKD with timm:resnet101 on ade 50-50, overlap: values of DKD (DKD README and config)
# expected: all 34.39 (DKD README: torchvision's ResNet-101, crop 512, future classes ignored; background counts as an old class)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/dkd_50-50-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/dkd_50-50-overlap' "$@"
