#!/usr/bin/env bash
# STAR with timm:resnet101 on ade 100-10, overlap: values of STAR (STAR README and config)
# expected: all 34.91 (STAR README: torchvision's ResNet-101, crop 512, future classes ignored; background counts as an old class)
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/ade/star_100-10-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/star_100-10-overlap' "$@"
