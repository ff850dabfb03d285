#!/usr/bin/env bash
# ILT with resnet101 on voc 15-1, overlap: values of MiB (MiB README and presets)
# expected: old 4.9, new 7.8, all 5.7 (MiB's table as in UCD image/result1.png; background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/ilt_15-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/ilt_15-1-overlap' "$@"
