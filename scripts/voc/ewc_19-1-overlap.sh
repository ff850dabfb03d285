#!/usr/bin/env bash
# EWC with resnet101 on voc 19-1, overlap: values of MiB (MiB README and presets)
# expected: old 26.9, new 14, all 26.3 (MiB's table as in UCD image/result1.png; background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/ewc_19-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/ewc_19-1-overlap' "$@"
