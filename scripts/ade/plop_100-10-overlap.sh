#!/usr/bin/env bash
# PLOP with resnet101 on ade 100-10, overlap: values of PLOP (PLOP scripts/ade)
# expected: old 40.48, new 13.61, all 31.59, average 36.64 (PLOP's paper (splits recalled; all as in the READMEs of SSUL and RCIL); background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/ade/plop_100-10-overlap.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'ade/plop_100-10-overlap' "$@"
