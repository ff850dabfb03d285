#!/usr/bin/env bash
# STAR with timm:resnet101 on voc 15-1, disjoint: values of STAR (STAR README and config)
# expected: all 70.77 (STAR README: torchvision's ResNet-101, crop 512, future classes background; background counts as an old class)
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/voc/star_15-1-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/star_15-1-disjoint' "$@"
