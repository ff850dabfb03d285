#!/usr/bin/env bash
# SSUL with timm:resnet101 on voc 19-1, overlap: values of SSUL (SSUL README)
# expected: old 77.73, new 29.68, all 75.44 (SSUL README: torchvision's ResNet-101, crop 513, future classes ignored; background counts as an old class)
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/voc/ssul_19-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/ssul_19-1-overlap' "$@"
