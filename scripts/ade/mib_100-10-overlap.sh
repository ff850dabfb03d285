#!/usr/bin/env bash
# MiB with resnet101 on ade 100-10, overlap: values of PLOP (PLOP scripts/ade)
# expected: old 38.21, new 11.12, all 29.24 (REMINDER images/results.png; background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/mib_100-10-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/mib_100-10-overlap' "$@"
