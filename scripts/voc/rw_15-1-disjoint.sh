#!/usr/bin/env bash
# RW with resnet101 on voc 15-1, disjoint: values of MiB (MiB README and presets)
# expected: old 0.2, new 5.4, all 1.5 (MiB's table as in UCD image/result1.png; background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/rw_15-1-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/rw_15-1-disjoint' "$@"
