#!/usr/bin/env bash
# DFT* with swin_b on voc 15-5, overlap: values of RevisitingCSS (RevisitingCSS scripts/RevisitingCSS)
# expected: no verified number
# GPUs: 2 there. Usage: DATA_ROOT=DIR bash ./scripts/RevisitingCSS/ft_swinb_15-5-FixBC-P.sh GPU_IDS NB_GPU
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_steps.sh" 'RevisitingCSS/ft_swinb_15-5-FixBC-P' "$@"
