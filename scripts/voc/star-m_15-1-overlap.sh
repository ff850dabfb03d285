#!/usr/bin/env bash
# STAR-M with timm:resnet101 on voc 15-1, overlap: values of STAR (STAR README and config)
# expected: all 74.03 (STAR README: torchvision's ResNet-101, crop 512, future classes background; background counts as an old class)
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/voc/star-m_15-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/star-m_15-1-overlap' "$@"
