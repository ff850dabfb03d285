#!/usr/bin/env bash
# LWF with resnet101 on voc 19-1, overlap: values of MiB (MiB README and presets)
# expected: old 51.2, new 8.5, all 49.1 (MiB's table as in UCD image/result1.png; background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/lwf_19-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/lwf_19-1-overlap' "$@"
