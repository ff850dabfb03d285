#!/usr/bin/env bash
# MiB with resnet101 on voc 19-1, disjoint: values of MiB (MiB README and presets)
# expected: old 69.6, new 25.6, all 67.4 (MiB's table as in UCD image/result1.png; background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/mib_19-1-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/mib_19-1-disjoint' "$@"
