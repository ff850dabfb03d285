#!/usr/bin/env bash
# MiB with resnet101 on ade 100-5, overlap: values of PLOP (PLOP scripts/ade)
# expected: old 36.01, new 5.66, all 25.96 (REMINDER images/results.png; background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/mib_100-5-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/mib_100-5-overlap' "$@"
