#!/usr/bin/env bash
# EWC with resnet101 on voc 15-5, overlap: values of MiB (MiB README and presets)
# expected: old 24.3, new 35.5, all 27.1 (MiB's table as in UCD image/result1.png; background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/ewc_15-5-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/ewc_15-5-overlap' "$@"
