#!/usr/bin/env bash
# PLOP+NeST with swin_b on voc 10-1, overlap: values of RevisitingCSS (RevisitingCSS scripts/PLOP_NEST)
# expected: all 47.2 (RevisitingCSS README, teaser; background counts as an old class)
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/PLOP_NEST/plop+ours_swin_b_10-1.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'PLOP_NEST/plop+ours_swin_b_10-1' "$@"
