#!/usr/bin/env bash
# PI with resnet101 on voc 15-1, overlap: values of MiB (MiB README and presets)
# expected: old 0, new 1.8, all 0.4 (MiB's table as in UCD image/result1.png; background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/pi_15-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/pi_15-1-overlap' "$@"
