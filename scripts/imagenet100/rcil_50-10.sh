#!/usr/bin/env bash
# RCIL with resnet18 on imagenet100 50-10, overlap: values of RCIL (announced there, never released: our choice)
# expected: no verified number
# GPUs: not said there. Usage: DATA_ROOT=DIR bash ./scripts/imagenet100/rcil_50-10.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'imagenet100/rcil_50-10' "$@"
