#!/usr/bin/env bash
# MiB with resnet101 on ade 50-50, overlap: values of PLOP (PLOP scripts/ade)
# expected: old 45.57, new 21.01, all 29.31 (REMINDER images/results.png; background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/mib_50-50-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/mib_50-50-overlap' "$@"
