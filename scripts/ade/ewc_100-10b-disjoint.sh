#!/usr/bin/env bash
# EWC with resnet101 on ade 100-10b, disjoint: values of MiB (MiB README and presets)
# expected: no verified number
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/ewc_100-10b-disjoint.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/ewc_100-10b-disjoint' "$@"
