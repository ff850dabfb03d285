#!/usr/bin/env bash
# SDR with timm:resnet101 on voc 15-1, overlap: values of SDR (its commands)
# expected: old 47.3, new 14.7, all 39.5 (UCD image/result1.png: torchvision's ResNet-101, crop 512, future classes ignored; background counts as an old class)
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/voc/sdr_15-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/sdr_15-1-overlap' "$@"
