#!/usr/bin/env bash
# BARM with timm:resnet101 on voc 5-3, overlap: values of BARM (BARM README and config)
# expected: all 61.1 (BARM README: torchvision's ResNet-101, crop 513, future classes ignored; background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/barm_5-3-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/barm_5-3-overlap' "$@"
