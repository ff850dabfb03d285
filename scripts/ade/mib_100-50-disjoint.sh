#!/usr/bin/env bash
# MiB with resnet101 on ade 100-50, disjoint: values of MiB (MiB README and presets)
# expected: no verified number
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/mib_100-50-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/mib_100-50-disjoint' "$@"
