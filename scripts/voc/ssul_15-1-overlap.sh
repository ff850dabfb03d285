#!/usr/bin/env bash
# SSUL with timm:resnet101 on voc 15-1, overlap: values of SSUL (SSUL README)
# expected: old 77.31, new 36.59, all 67.61 (SSUL README: torchvision's ResNet-101, crop 513, future classes ignored; background counts as an old class)
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/voc/ssul_15-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/ssul_15-1-overlap' "$@"
