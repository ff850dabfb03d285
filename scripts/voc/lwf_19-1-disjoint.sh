#!/usr/bin/env bash
# LWF with resnet101 on voc 19-1, disjoint: values of MiB (MiB README and presets)
# expected: old 53, new 9.1, all 50.8 (MiB's table as in UCD image/result1.png; background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/lwf_19-1-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/lwf_19-1-disjoint' "$@"
