#!/usr/bin/env bash
# BARM with timm:resnet101 on ade 100-5, overlap: values of BARM (BARM README and config)
# expected: all 34.1 (BARM README: torchvision's ResNet-101, crop 513, future classes ignored; background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/barm_100-5-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/barm_100-5-overlap' "$@"
