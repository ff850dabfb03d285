#!/usr/bin/env bash
# RW with resnet101 on ade 100-50b, disjoint: values of MiB (MiB README and presets)
# expected: no verified number
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/rw_100-50b-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/rw_100-50b-disjoint' "$@"
