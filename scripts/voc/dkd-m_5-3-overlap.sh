#!/usr/bin/env bash
# DKD-M with timm:resnet101 on voc 5-3, overlap: values of DKD (DKD README and config)
# expected: all 63.32 (DKD README: torchvision's ResNet-101, crop 512, future classes background; background counts as an old class)
# GPUs: 4 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/dkd-m_5-3-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/dkd-m_5-3-overlap' "$@"
