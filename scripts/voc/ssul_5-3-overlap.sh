#!/usr/bin/env bash
# SSUL with timm:resnet101 on voc 5-3, overlap: values of SSUL (SSUL README)
# expected: old 72.44, new 50.67, all 56.89 (SSUL README: torchvision's ResNet-101, crop 513, future classes ignored; background counts as an old class)
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/voc/ssul_5-3-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/ssul_5-3-overlap' "$@"
