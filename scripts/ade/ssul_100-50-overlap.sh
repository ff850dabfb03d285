#!/usr/bin/env bash
# SSUL with timm:resnet101 on ade 100-50, overlap: values of SSUL (SSUL README)
# expected: old 41.28, new 18.02, all 33.58 (SSUL README: torchvision's ResNet-101, crop 513, future classes ignored; background counts as an old class)
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/ade/ssul_100-50-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/ssul_100-50-overlap' "$@"
