#!/usr/bin/env bash
# SDR with timm:resnet101 on voc 15-5, overlap: values of SDR (its commands)
# expected: old 76.3, new 50.2, all 70.1 (UCD image/result1.png: torchvision's ResNet-101, crop 512, future classes ignored; background counts as an old class)
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/voc/sdr_15-5-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/sdr_15-5-overlap' "$@"
