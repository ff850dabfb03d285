#!/usr/bin/env bash
# RW with resnet101 on voc 19-1, disjoint: values of MiB (MiB README and presets)
# expected: old 19.4, new 15.7, all 19.2 (MiB's table as in UCD image/result1.png; background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/rw_19-1-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/rw_19-1-disjoint' "$@"
