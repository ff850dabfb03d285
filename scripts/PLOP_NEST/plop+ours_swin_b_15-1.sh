#!/usr/bin/env bash
# PLOP+NeST with swin_b on voc 15-1, overlap: values of RevisitingCSS (RevisitingCSS scripts/PLOP_NEST)
# expected: no verified number
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/PLOP_NEST/plop+ours_swin_b_15-1.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'PLOP_NEST/plop+ours_swin_b_15-1' "$@"
