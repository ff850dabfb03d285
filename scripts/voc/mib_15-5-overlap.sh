#!/usr/bin/env bash
# MiB with resnet101 on voc 15-5, overlap: values of MiB (MiB README and presets)
# expected: old 75.5, new 49.4, all 69 (MiB's table as in UCD image/result1.png; background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/mib_15-5-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/mib_15-5-overlap' "$@"
