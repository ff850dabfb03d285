#!/usr/bin/env bash
# SSUL-M with timm:resnet101 on voc 15-1, overlap: values of SSUL (SSUL README)
# expected: old 78.36, new 49.01, all 71.37 (SSUL README: torchvision's ResNet-101, crop 513, future classes ignored; background counts as an old class)
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/voc/ssul-m_15-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/ssul-m_15-1-overlap' "$@"
