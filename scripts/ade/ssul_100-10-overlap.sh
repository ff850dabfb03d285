#!/usr/bin/env bash
# SSUL with timm:resnet101 on ade 100-10, overlap: values of SSUL (SSUL README)
# expected: old 40.2, new 18.75, all 33.1 (SSUL README: torchvision's ResNet-101, crop 513, future classes ignored; background counts as an old class)
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/ade/ssul_100-10-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/ssul_100-10-overlap' "$@"
