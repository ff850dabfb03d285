#!/usr/bin/env bash
# SSUL with timm:resnet101 on ade 50-50, overlap: values of SSUL (SSUL README)
# expected: old 48.38, new 20.15, all 29.56 (SSUL README: torchvision's ResNet-101, crop 513, future classes ignored; background counts as an old class)
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/ade/ssul_50-50-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/ssul_50-50-overlap' "$@"
