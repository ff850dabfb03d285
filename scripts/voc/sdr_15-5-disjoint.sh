#!/usr/bin/env bash
# SDR with timm:resnet101 on voc 15-5, disjoint: values of SDR (its commands)
# expected: old 74.6, new 44.1, all 67.3 (UCD image/result1.png: torchvision's ResNet-101, crop 512, future classes ignored; background counts as an old class)
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/voc/sdr_15-5-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/sdr_15-5-disjoint' "$@"
