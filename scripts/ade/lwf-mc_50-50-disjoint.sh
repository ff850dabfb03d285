#!/usr/bin/env bash
# LWF-MC with resnet101 on ade 50-50, disjoint: values of MiB (MiB README and presets)
# expected: no verified number
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/lwf-mc_50-50-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/lwf-mc_50-50-disjoint' "$@"
