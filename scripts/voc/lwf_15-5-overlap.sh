#!/usr/bin/env bash
# LWF with resnet101 on voc 15-5, overlap: values of MiB (MiB README and presets)
# expected: old 58.9, new 36.6, all 53.3 (MiB's table as in UCD image/result1.png; background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/lwf_15-5-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/lwf_15-5-overlap' "$@"
