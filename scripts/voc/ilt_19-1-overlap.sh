#!/usr/bin/env bash
# ILT with resnet101 on voc 19-1, overlap: values of MiB (MiB README and presets)
# expected: old 67.1, new 12.3, all 64.4 (MiB's table as in UCD image/result1.png; background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/ilt_19-1-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/ilt_19-1-overlap' "$@"
