#!/usr/bin/env bash
# LWF-MC with resnet101 on voc 15-5, disjoint: values of MiB (MiB README and presets)
# expected: old 67.2, new 41.2, all 60.7 (MiB's table as in UCD image/result1.png; background is left out)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/voc/lwf-mc_15-5-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'voc/lwf-mc_15-5-disjoint' "$@"
